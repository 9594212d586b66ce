from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from agents.models import Agent, AgentStatus, AgentVersion, Memory
from billing.models import Budget
from tasks.models import Run, RunStatus
from tests.factories import AgentFactory, MembershipFactory, RunFactory, TaskFactory

NASTY = "<img src=x onerror=alert(1)>"
FORM = {
    "name": "Ana",
    "role": "Data analyst",
    "description": "Finds what drives a number",
    "hue": "teal",
    "icon": "chart-column",
    "instructions": "Look at the numbers first.",
    "model": "demo:demo-1",
    "memory_enabled": "on",
    "max_cost_usd": "0.50",
    "max_turns": "30",
    "timeout_min": "20",
    "max_concurrent_runs": "3",
    "budget_monthly_usd": "",
}


@pytest.fixture
def as_bob(client: Client, bob) -> Client:
    client.force_login(bob)
    return client


@pytest.fixture
def as_viewer(client: Client, team) -> Client:
    client.force_login(MembershipFactory(team=team, role=Role.VIEWER).user)
    return client


def page(name: str, **ids: object) -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme", **ids})


def filled(**changes: str) -> dict[str, str]:
    from tools.catalog import BUILTIN

    return FORM | {f"tool_{name}": "deny" for name in BUILTIN} | changes


def text(answer) -> str:
    return answer.content.decode()


class TestList:
    def test_an_empty_team_is_taught(self, as_bob):
        shown = text(as_bob.get(page("agent_list")))

        assert "No agents yet" in shown
        assert page("onboarding") in shown

    def test_it_shows_who_does_what(self, as_bob, team):
        ana, remy = AgentFactory(team=team, name="Ana"), AgentFactory(team=team, name="Remy", status="paused")
        RunFactory(agent=ana, status=RunStatus.WAITING, waiting_kind="question", title="Which discount?")
        AgentFactory(team=team, name="Gone", status=AgentStatus.REMOVED)

        shown = text(as_bob.get(page("agent_list")))

        assert "2 in this team." in shown
        assert "Needs you" in shown
        assert "Which discount?" in shown
        assert remy.name in shown
        assert "Gone" not in shown

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ("", {"Ana", "Remy"}),
            ("?q=ana", {"Ana"}),
            ("?q=data analyst", {"Ana"}),
            ("?state=paused", {"Remy"}),
            ("?state=working", set()),
            ("?q=nobody", set()),
        ],
    )
    def test_it_is_filtered(self, as_bob, team, query, found):
        AgentFactory(team=team, name="Ana", role="Data analyst")
        AgentFactory(team=team, name="Remy", status="paused")

        answer = as_bob.get(page("agent_list") + query)

        assert {card.agent.name for card in answer.context["cards"]} == found
        assert ("Clear filters" in text(answer)) is (not found)

    def test_it_is_sorted(self, as_bob, team):
        ana, remy = AgentFactory(team=team, name="Ana"), AgentFactory(team=team, name="Remy")
        RunFactory(agent=ana, cost_usd=Decimal(2))
        RunFactory.create_batch(2, agent=remy)

        def order(by: str) -> list[str]:
            return [card.agent.name for card in as_bob.get(page("agent_list") + by).context["cards"]]

        assert order("") == ["Remy", "Ana"]
        assert order("?order=spend") == ["Ana", "Remy"]
        assert order("?order=name") == ["Ana", "Remy"]
        assert order("?order=nonsense") == ["Remy", "Ana"]

    def test_it_takes_the_same_number_of_queries_for_many(self, as_bob, team, django_assert_max_num_queries):
        for agent in AgentFactory.create_batch(12, team=team):
            RunFactory.create_batch(3, agent=agent)

        as_bob.get(page("agent_list"))  # a session is noted when it is first seen

        with django_assert_max_num_queries(15):
            as_bob.get(page("agent_list"))


class TestForm:
    def test_an_agent_is_added(self, as_bob, team, bob):
        answer = as_bob.post(page("agent_new"), filled(tool_query_table="allow", tool_email_report="ask"))

        agent = Agent.objects.get(team=team)
        assert answer.headers["Location"] == page("agent_detail", agent_id=agent.pk)
        assert (agent.name, agent.hue, agent.icon, agent.created_by) == ("Ana", "teal", "chart-column", bob)
        version = agent.version
        assert version.tools == [
            {"tool": "query_table", "policy": "allow"},
            {"tool": "email_report", "policy": "ask"},
        ]
        assert (version.runtime, version.model, version.timeout_s) == ("demo", "demo-1", 1200)
        assert (version.max_cost_usd, version.max_turns, agent.max_concurrent_runs) == (Decimal("0.50"), 30, 3)

    @pytest.mark.parametrize(
        ("changes", "words"),
        [
            ({"name": ""}, "This field is required."),
            ({"instructions": "   "}, "This field is required."),
            ({"max_turns": "0"}, "greater than or equal to 1"),
            ({"max_cost_usd": "20000"}, "Choose from 0 to 10,000."),
            ({"model": "anthropic:claude-free"}, "is not one of the available choices"),
            ({"hue": "neon"}, "is not one of the available choices"),
            ({"tool_query_table": "always"}, "is not one of the available choices"),
        ],
    )
    def test_what_does_not_fit_is_said_and_kept(self, as_alice, changes, words):
        answer = as_alice.post(page("agent_new"), filled(description="Kept as typed", **changes))

        assert answer.status_code == 422
        assert words in text(answer)
        assert "Kept as typed" in text(answer)
        assert not Agent.objects.exists()

    def test_a_change_makes_a_version(self, as_bob, team):
        agent = AgentFactory(team=team, version__tools=[{"tool": "query_table", "policy": "ask"}])

        form = as_bob.get(page("agent_edit", agent_id=agent.pk)).context["form"]
        assert form["tool_query_table"].value() == "ask"
        assert form["tool_fetch_url"].value() == "deny"

        as_bob.post(page("agent_edit", agent_id=agent.pk), filled())
        agent.refresh_from_db()
        assert (agent.name, agent.version.number) == ("Ana", 2)

    def test_its_budget_is_changed_by_an_admin(self, as_bob, client, team, alice):
        agent = AgentFactory(team=team)
        Budget.objects.create(team=team, agent_id=agent.pk, limit_usd=5, period="2026-01-01")
        edit = page("agent_edit", agent_id=agent.pk)
        assert "An owner or admin of the team can change it." in text(as_bob.get(edit))

        as_bob.post(edit, filled(budget_monthly_usd="25", role="Bookkeeper"))
        agent.refresh_from_db()
        assert (agent.role, Budget.objects.get(agent_id=agent.pk).limit_usd) == ("Bookkeeper", 5)

        client.force_login(alice)
        client.post(edit, filled(budget_monthly_usd="25"))
        assert Budget.objects.get(agent_id=agent.pk).limit_usd == 25

    def test_what_one_run_may_cost_is_raised_far_by_an_admin(self, as_bob, client, team, alice):
        agent = AgentFactory(team=team, version__max_cost_usd=Decimal("8.00"))
        edit, new = page("agent_edit", agent_id=agent.pk), page("agent_new")
        said = "More than $8.00 takes an owner or admin of the team."
        assert said in text(as_bob.get(edit))

        refused = as_bob.post(edit, filled(max_cost_usd="8.01"))
        also = as_bob.post(new, filled(name="Rich", max_cost_usd="5.01"))
        as_bob.post(edit, filled(max_cost_usd="3.00"))
        back = as_bob.post(page("agent_restore", agent_id=agent.pk, number=1))

        assert said in refused.context["form"].errors["max_cost_usd"]
        assert "More than $5.00 takes an owner or admin of the team." in also.context["form"].errors["max_cost_usd"]
        assert back.status_code == 403
        assert list(AgentVersion.objects.order_by("pk").values_list("max_cost_usd", flat=True)) == [8, 3]

        client.force_login(alice)
        client.post(edit, filled(max_cost_usd="8.01"))
        assert client.post(page("agent_restore", agent_id=agent.pk, number=1)).status_code == 302
        assert AgentVersion.objects.filter(agent=agent).count() == 4

    def test_a_model_that_is_not_offered_any_more_can_stay(self, as_bob, team):
        agent = AgentFactory(team=team, version__runtime="anthropic", version__model="claude-sonnet-4-20250101")

        shown = text(as_bob.get(page("agent_edit", agent_id=agent.pk)))
        assert "Claude Sonnet 4, not offered any more" in shown

        as_bob.post(page("agent_edit", agent_id=agent.pk), filled(model="anthropic:claude-sonnet-4-20250101"))
        agent.refresh_from_db()
        assert (agent.version.number, agent.version.instructions) == (2, "Look at the numbers first.")


class TestAgent:
    def test_it_shows_the_whole_agent(self, as_bob, team):
        agent = AgentFactory(
            team=team,
            name="Ana",
            version__instructions="Be careful.",
            version__tools=[{"tool": "query_table", "policy": "ask"}],
        )
        RunFactory(agent=agent, title="What drives refunds?")
        TaskFactory(agent=agent, name="Monthly report")
        Memory.objects.create(team=team, agent=agent, text="Freight comes later.", text_sha256="a" * 64)

        shown = text(as_bob.get(page("agent_detail", agent_id=agent.pk)))

        for words in ("Be careful.", "What drives refunds?", "Monthly report", "Freight comes later.", "Asks first"):
            assert words in shown
        assert "Demo model" in shown

    def test_it_is_paused_and_resumed(self, as_bob, team):
        agent = AgentFactory(team=team)

        for status in ("paused", "active"):
            as_bob.post(page("agent_pause", agent_id=agent.pk))
            agent.refresh_from_db()
            assert agent.status == status

    def test_it_goes_back_to_an_old_version(self, as_bob, team):
        agent = AgentFactory(team=team, version__instructions="As it was.")
        as_bob.post(page("agent_edit", agent_id=agent.pk), filled())
        assert "Restore this version" in text(as_bob.get(page("agent_detail", agent_id=agent.pk)))

        as_bob.post(page("agent_restore", agent_id=agent.pk, number=1))

        agent.refresh_from_db()
        assert (agent.version.number, agent.version.instructions) == (3, "As it was.")
        assert as_bob.post(page("agent_restore", agent_id=agent.pk, number=9)).status_code == 404

    def test_it_is_told_something_to_keep(self, as_bob, team):
        agent = AgentFactory(team=team)

        as_bob.post(page("memory_add", agent_id=agent.pk), {"text": "Freight comes later."})
        refused = as_bob.post(page("memory_add", agent_id=agent.pk), {"text": " "}, follow=True)

        assert [memory.text for memory in Memory.objects.filter(agent=agent)] == ["Freight comes later."]
        assert "A memory has 1 to 2,000 characters." in text(refused)

    def test_it_forgets(self, as_bob, team):
        agent = AgentFactory(team=team)
        memory = Memory.objects.create(team=team, agent=agent, text="Old.", text_sha256="a" * 64)

        as_bob.post(page("memory_forget", agent_id=agent.pk, memory_id=memory.pk))

        assert not Memory.objects.exists()

    def test_letting_go_says_what_stops_and_stops_it(self, as_bob, team):
        agent = AgentFactory(team=team, name="Ana")
        run = RunFactory(agent=agent, title="Half way through")
        TaskFactory(agent=agent)

        asked = text(as_bob.get(page("agent_remove", agent_id=agent.pk)))
        assert "Remove Ana?" in asked
        assert "Half way through" in asked
        assert "This happens at once" in asked
        agent.refresh_from_db()
        assert agent.status == AgentStatus.ACTIVE

        answer = as_bob.post(page("agent_remove", agent_id=agent.pk))
        assert answer.headers["Location"] == page("agent_list")
        agent.refresh_from_db()
        run.refresh_from_db()
        assert agent.status == AgentStatus.REMOVED
        assert run.is_terminal
        assert as_bob.get(page("agent_detail", agent_id=agent.pk)).status_code == 404

    def test_what_it_was_told_and_named_is_text(self, as_bob, team):
        agent = AgentFactory(team=team, name=NASTY, role=NASTY, description=NASTY, version__instructions=NASTY)
        RunFactory(agent=agent, title=NASTY, status=RunStatus.WAITING, waiting_kind="question")
        Memory.objects.create(team=team, agent=agent, text=NASTY, text_sha256="a" * 64)

        for name, ids in (
            ("agent_list", {}),
            ("dashboard", {}),
            ("agent_detail", {"agent_id": agent.pk}),
            ("agent_edit", {"agent_id": agent.pk}),
            ("agent_remove", {"agent_id": agent.pk}),
        ):
            shown = text(as_bob.get(page(name, **ids)))
            assert NASTY not in shown
            assert "&lt;img src=x" in shown


class TestWho:
    def test_a_viewer_looks_and_is_told_who_can(self, as_viewer, team):
        agent = AgentFactory(team=team)

        shown = text(as_viewer.get(page("agent_detail", agent_id=agent.pk)))
        assert "You are a viewer in this team" in shown
        assert page("agent_edit", agent_id=agent.pk) not in shown
        assert "You are a viewer" in text(as_viewer.get(page("agent_list")))

    @pytest.mark.parametrize("name", ["agent_new", "agent_edit", "agent_pause", "agent_remove", "memory_add"])
    def test_a_viewer_changes_nothing(self, as_viewer, team, name):
        agent = AgentFactory(team=team)
        ids = {} if name == "agent_new" else {"agent_id": agent.pk}

        answer = as_viewer.post(page(name, **ids), filled())

        assert answer.status_code == 403
        agent.refresh_from_db()
        assert (agent.status, agent.version.number, Agent.objects.count()) == ("active", 1, 1)

    @pytest.mark.parametrize("name", ["agent_detail", "agent_edit", "agent_pause", "agent_remove"])
    def test_an_agent_of_another_team_is_not_there(self, as_bob, other_team, name):
        agent = AgentFactory(team=other_team)

        assert as_bob.post(page(name, agent_id=agent.pk), filled()).status_code in (404, 405)
        assert as_bob.get(page(name, agent_id=agent.pk)).status_code in (404, 405)
        agent.refresh_from_db()
        assert agent.status == AgentStatus.ACTIVE
        assert not Run.objects.exists()
