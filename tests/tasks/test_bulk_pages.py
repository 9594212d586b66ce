"""Bulk actions in the browser: selection, confirmation, result."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Role
from agents.models import Agent, AgentStatus
from tasks.models import HumanRequest, Run, RunStatus
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory
from tests.html import HOSTILE, Page

pytestmark = pytest.mark.django_db
CANCEL, RETRY, CONTINUE, LIST = (
    reverse(f"tasks:{name}", args=["acme"]) for name in ("runs_cancel", "runs_retry", "runs_continue", "run_list")
)


@pytest.fixture
def agent(team) -> Agent:
    return AgentFactory(team=team, name="Ana")


@pytest.fixture
def five(agent: Agent) -> list[Run]:
    """Five runs: one running, one that asks, two queued, one finished."""
    later = timezone.now() + timedelta(hours=1)
    working = RunFactory(agent=agent, status=RunStatus.RUNNING, lease_expires_at=later, cost_usd=Decimal("0.25"))
    asking = RunFactory(agent=agent, status=RunStatus.WAITING, waiting_kind="question", cost_usd=Decimal("0.50"))
    HumanRequestFactory(run=asking)
    over = RunFactory(agent=agent, status=RunStatus.SUCCEEDED, finished_at=timezone.now())
    return [working, asking, RunFactory(agent=agent), RunFactory(agent=agent), over]


def ids(runs: list[Run]) -> dict[str, list[str]]:
    return {"run": [str(run.pk) for run in runs]}


def statuses(runs: list[Run]) -> list[str]:
    return list(Run.objects.filter(pk__in=[run.pk for run in runs]).order_by("pk").values_list("status", flat=True))


def test_the_list_has_a_box_for_each_run(as_alice: Client, five: list[Run]) -> None:
    page = Page(as_alice.get(LIST, {"status": "live"}).text)

    boxes = [box["value"] for box in page.all("input") if box.get("name") == "run"]
    assert boxes == [str(run.pk) for run in reversed(five) if run.status in ("queued", "running")]
    assert {"name": "status", "value": "live", "type": "hidden"} in page.all("input")
    assert [button["formaction"] for button in page.all("button") if "formaction" in button] == [
        CONTINUE,
        RETRY,
        CANCEL,
    ]


def test_before_cancelling_the_page_says_what_stops(as_alice: Client, five: list[Run]) -> None:
    text = " ".join(Page(as_alice.get(CANCEL, ids(five)).text).text.split())

    for said in (
        "Cancel 4 runs?",
        "1 is at work and stops at once",
        "1 waits; what it asks becomes void.",
        "2 have not started.",
        "1 is finished already and stays as it is.",
        "the work so far is paid: $0.75.",
    ):
        assert said in text
    assert statuses(five) == ["running", "waiting", "succeeded", "queued", "queued"]


def test_cancelling_says_what_was_cancelled_and_what_was_not(as_alice: Client, five: list[Run]) -> None:
    answer = as_alice.post(CANCEL, ids(five) | {"status": "live", "reason": "Wrong file."}, follow=True)

    assert answer.redirect_chain == [(f"{LIST}?status=live", 302)]
    assert "4 cancelled, 1 was already finished." in Page(answer.text).text
    assert statuses(five) == ["cancelled", "cancelled", "succeeded", "cancelled", "cancelled"]
    assert HumanRequest.objects.get().status == "void"
    assert five[0].events.get(type="run.finished").data["summary"] == "Cancelled by Alice. Wrong file."


def test_running_again_says_the_most_it_may_cost_and_what_was_left(as_alice: Client, agent, five: list[Run]) -> None:
    failed = RunFactory(agent=agent, status=RunStatus.FAILED, finished_at=timezone.now(), max_cost_usd=Decimal("2.50"))
    gone = AgentFactory(team=agent.team, status=AgentStatus.PAUSED)
    refused = RunFactory(agent=gone, status=RunStatus.FAILED, finished_at=timezone.now())
    chosen = [five[0], five[4], failed, refused]

    asked = " ".join(Page(as_alice.get(RETRY, ids(chosen)).text).text.split())
    answer = as_alice.post(RETRY, ids(chosen), follow=True)

    assert "Run 3 again?" in asked
    assert "Together they may cost at most $4.50." in asked
    assert "1 is not finished and is left alone." in asked
    told = "2 started again, 2 were not finished, or their agent takes no work now."
    assert told in Page(answer.text).text
    assert sorted(Run.objects.exclude(retry_of=None).values_list("retry_of", flat=True)) == [five[4].pk, failed.pk]


@pytest.mark.parametrize("address", [CANCEL, RETRY])
def test_nothing_chosen_or_nothing_to_do_is_said(as_alice: Client, five: list[Run], address: str) -> None:
    wrong = five[4:] if address == CANCEL else five[:1]
    before = statuses(five)

    assert "Select runs in the list first." in as_alice.get(address).text
    assert "Nothing to" in as_alice.post(address, ids(wrong)).text
    assert statuses(five) == before
    assert Run.objects.count() == 5


@pytest.mark.parametrize("address", [CANCEL, RETRY])
def test_one_run_of_another_team_makes_all_of_it_unknown(
    as_alice: Client, five: list[Run], other_team, address: str
) -> None:
    theirs = RunFactory(agent=AgentFactory(team=other_team))
    before = statuses(five)

    assert as_alice.post(address, ids([*five, theirs])).status_code == 404
    assert as_alice.post(address, {"run": "nonsense"}).status_code == 404
    assert statuses([*five, theirs]) == [*before, "queued"]
    assert Run.objects.count() == 6


@pytest.mark.parametrize("address", [CANCEL, RETRY])
def test_a_viewer_may_compare_but_not_change(client: Client, team, five: list[Run], address: str) -> None:
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    before = statuses(five)

    assert client.get(address, ids(five)).status_code == 403
    assert client.post(address, ids(five)).status_code == 403
    assert statuses(five) == before
    assert [b for b in Page(client.get(LIST).text).all("button") if "formaction" in b] == []


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_are_text_while_choosing(as_alice: Client, agent: Agent, text: str) -> None:
    run = RunFactory(agent=agent, title=text.replace("\x00", ""))

    answers = [as_alice.get(LIST, {"agent": text}), as_alice.get(CANCEL, {"run": run.pk, "status": text})]

    assert [Page(answer.text).problems() for answer in answers] == [[], []]
