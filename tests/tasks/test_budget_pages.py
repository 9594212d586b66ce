"""Settings → Budgets: spend against limits, setting them, and runs that wait for money."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from agents.models import Agent
from billing.models import Budget
from billing.services import save_budget
from tasks.models import HumanRequest, Run, RunStatus
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, usage
from tests.html import HOSTILE, Page

pytestmark = pytest.mark.django_db
BUDGETS = reverse("tasks:budgets", args=["acme"])


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


def wait_for(agent: Agent, scope: str) -> HumanRequest:
    run = RunFactory(agent=agent, status=RunStatus.WAITING, waiting_kind="budget", title=f"Short of {scope}")
    about = {"scope": scope, "spent_usd": "1.00", "limit_usd": "1.00", "needed_usd": "0.50"}
    asked: HumanRequest = HumanRequestFactory(run=run, kind="budget", arguments=about)
    return asked


def forms(page: Page) -> list[str]:
    return [form["action"] for form in page.all("form") if form.get("action", "").startswith("/t/")]


def test_spend_is_shown_against_its_limit(as_alice: Client, team, agent: Agent) -> None:
    save_budget(team=team, limit_usd=Decimal(10))
    Budget.objects.update(spent_usd=8, reserved_usd="0.5")
    usage(agent, "1.25")

    page = Page(as_alice.get(BUDGETS).text)

    text = " ".join(page.text.split())
    assert "$8.00 spent, $0.50 set aside for calls under way, of $10.00. More than 80% is used." in text
    assert "$1.25 spent this month, no limit" in text
    (bar,) = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert (bar["class"], bar["aria-label"]) == ("budget-bar is-warn", "Spent of the monthly limit: 85%")
    widths = [(rect["class"], rect["width"]) for rect in page.all("rect")]
    assert widths == [("track", "100%"), ("spent", "80.0%"), ("held", "5.0%")]
    assert [box["value"] for box in page.all("input") if box.get("name") == "limit_usd" and "value" in box] == ["10.00"]


def test_limits_are_set_and_taken_away(as_alice: Client, agent: Agent) -> None:
    of_team = as_alice.post(BUDGETS, {"agent": "", "limit_usd": "20"}, follow=True)
    as_alice.post(BUDGETS, {"agent": agent.pk, "limit_usd": "2.50"})

    assert "The team may spend $20.00 a month." in Page(of_team.text).text
    assert dict(Budget.objects.values_list("agent_id", "limit_usd")) == {None: 20, agent.pk: Decimal("2.5")}

    as_alice.post(BUDGETS, {"agent": "", "limit_usd": "", "clear": "1"})
    assert list(Budget.objects.values_list("agent_id", flat=True)) == [agent.pk]


@pytest.mark.parametrize("limit", ["-1", "", "much", "10000000"])
def test_a_wrong_limit_is_refused_at_its_own_field(as_alice: Client, agent: Agent, limit: str) -> None:
    answer = as_alice.post(BUDGETS, {"agent": agent.pk, "limit_usd": limit})

    assert answer.status_code == 422
    errors = [box["id"] for box in Page(answer.text).all("div") if box.get("class") == "error"]
    assert errors == [f"{agent.pk}-limit_usd-error"]
    assert Budget.objects.count() == 0


def test_one_click_raises_what_a_run_waits_for(
    as_alice: Client, agent: Agent, django_capture_on_commit_callbacks: Any
) -> None:
    save_budget(team=agent.team, agent_id=agent.pk, limit_usd=Decimal(1))
    asked = wait_for(agent, "agent")
    page = Page(as_alice.get(BUDGETS).text)
    assert "s to $2.25" in " ".join(page.text.split())

    with django_capture_on_commit_callbacks(execute=True):
        as_alice.post(BUDGETS, {"agent": agent.pk, "limit_usd": "2.25"})

    assert Budget.objects.get().limit_usd == Decimal("2.25")
    assert Run.objects.get(pk=asked.run_id).status == RunStatus.QUEUED


def test_a_run_that_reached_its_own_limit_is_raised_by_its_answer(as_alice: Client, agent: Agent) -> None:
    asked = wait_for(agent, "run")

    page = Page(as_alice.get(BUDGETS).text)

    assert reverse("tasks:request_answer", args=["acme", asked.pk]) in forms(page)
    sent = {box["name"]: box["value"] for box in page.all("input") if box.get("name") in ("decision", "max_cost_usd")}
    assert sent == {"decision": "raise", "max_cost_usd": "2.25"}


def test_who_may_set_what(client: Client, team, bob: User, agent: Agent) -> None:
    wait_for(agent, "team")
    client.force_login(bob)
    member = Page(client.get(BUDGETS).text)

    assert client.post(BUDGETS, {"agent": "", "limit_usd": "5"}).status_code == 403
    assert client.post(BUDGETS, {"agent": agent.pk, "limit_usd": "5"}).status_code == 403
    assert forms(member) == []
    assert "An owner or admin can raise it." in member.text

    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    assert forms(Page(client.get(BUDGETS).text)) == []
    assert client.post(BUDGETS, {"agent": agent.pk, "limit_usd": "9"}).status_code == 403
    assert Budget.objects.exists() is False


def test_another_team_and_its_agents_are_not_found(
    client: Client, alice: User, charlie: User, agent: Agent, other_team
) -> None:
    theirs = AgentFactory(team=other_team)
    client.force_login(charlie)
    assert client.get(BUDGETS).status_code == 404

    client.force_login(alice)
    for wrong in (str(theirs.pk), "nonsense"):
        assert client.post(BUDGETS, {"agent": wrong, "limit_usd": "5"}).status_code == 404
    assert Budget.objects.count() == 0


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_are_text(as_alice: Client, team, text: str) -> None:
    agent = AgentFactory(team=team, name=text[:80].replace("\x00", ""))
    Run.objects.filter(pk=wait_for(agent, "agent").run_id).update(title=text.replace("\x00", ""))

    assert Page(as_alice.get(BUDGETS).text).problems() == []
