from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import Conflict, InvalidInput, NotFound
from accounts.models import AuditEntry, Team, User
from agents import hooks
from agents.hooks import agent_removed
from agents.models import Agent, AgentStatus, AgentVersion, Runtime
from agents.services import agents
from billing.models import Budget, Price, UsageRecord

INSTRUCTIONS = "Read the table and answer with numbers."


@pytest.fixture
def rita(team: Team, alice: User) -> Agent:
    return agents.create_agent(
        team=team,
        actor=alice,
        name="Rita",
        instructions=INSTRUCTIONS,
        tools=[{"tool": "query_table", "policy": "allow"}],
    )


def wrong_fields(caught: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    return [(error.field, error.code) for error in caught.value.fields]


def test_create_agent_makes_its_first_version(rita: Agent, team: Team, alice: User) -> None:
    version = rita.version

    assert version is not None
    assert (rita.status, rita.team, rita.created_by) == (AgentStatus.ACTIVE, team, alice)
    assert (version.number, version.runtime, version.model) == (1, Runtime.DEMO, "demo-1")
    assert version.tools == [{"tool": "query_table", "policy": "allow"}]
    assert AuditEntry.objects.filter(action="agent.created", subject_id=str(rita.pk)).count() == 1


def test_create_agent_takes_a_real_model_where_there_is_a_key(team: Team, alice: User, settings: Any) -> None:
    settings.ANTHROPIC_API_KEY = "sk-test"
    price = {f"{kind}_usd": 1 for kind in ("input", "output", "cache_read", "cache_write")}
    Price.objects.create(model="claude-sonnet-9", effective_from=date(2026, 6, 1), **price)

    agent = agents.create_agent(team=team, actor=alice, name="Rita", instructions=INSTRUCTIONS)

    assert agent.version is not None
    assert agent.version.runtime == Runtime.ANTHROPIC
    assert agent.version.model == "claude-sonnet-9"


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({"name": " "}, [("name", "required")]),
        ({"instructions": ""}, [("instructions", "required")]),
        ({"instructions": "x" * 50_001}, [("instructions", "too_long")]),
        ({"hue": "red"}, [("hue", "invalid_choice")]),
        ({"icon": "../x"}, [("icon", "invalid")]),
        ({"runtime": "anthropic", "model": "claude-sonnet-5"}, [("runtime", "not_available")]),
        ({"runtime": "magic", "model": "x"}, [("runtime", "invalid_choice")]),
        ({"model": "demo-9"}, [("model", "invalid_choice")]),
        ({"max_turns": 0, "timeout_s": 1}, [("max_turns", "out_of_range"), ("timeout_s", "out_of_range")]),
        ({"max_cost_usd": Decimal(-1)}, [("max_cost_usd", "out_of_range")]),
        ({"tools": [{"tool": "rm", "policy": "allow"}]}, [("tools[0].tool", "invalid_choice")]),
        ({"tools": [{"tool": "recall", "policy": "maybe"}]}, [("tools[0].policy", "invalid_choice")]),
        ({"tools": [{"tool": "recall", "policy": "ask"}] * 2}, [("tools[1].tool", "duplicate")]),
        ({"options": {"allowed_hosts": ["http://x"]}}, [("options.allowed_hosts", "invalid")]),
        ({"options": {"max_tokens": 10**9}}, [("options.max_tokens", "out_of_range")]),
        ({"team_id": "x", "status": "removed"}, [("status", "unknown_field"), ("team_id", "unknown_field")]),
        ({"budget_monthly_usd": Decimal(-5)}, [("budget_monthly_usd", "invalid")]),
    ],
)
def test_create_agent_names_every_wrong_field(
    team: Team, alice: User, given: dict[str, Any], fields: list[tuple[str, str]]
) -> None:
    with pytest.raises(InvalidInput) as caught:
        agents.create_agent(team=team, actor=alice, **({"name": "Rita", "instructions": INSTRUCTIONS} | given))

    assert wrong_fields(caught) == fields
    assert Agent.objects.count() == 0
    assert AgentVersion.objects.count() == 0


def test_update_agent_makes_a_version_only_for_another_configuration(rita: Agent, alice: User) -> None:
    first = rita.version

    renamed = agents.update_agent(agent=rita, actor=alice, changes={"name": "Rita B.", "instructions": INSTRUCTIONS})
    assert (renamed.name, renamed.version) == ("Rita B.", first)

    changed = agents.update_agent(agent=rita, actor=alice, changes={"max_turns": 7})
    assert changed.version is not None
    assert (changed.version.number, changed.version.max_turns, changed.version.instructions) == (2, 7, INSTRUCTIONS)
    assert AgentVersion.objects.get(number=1).max_turns == 40


def test_update_agent_changes_nothing_when_one_field_is_wrong(rita: Agent, alice: User) -> None:
    with pytest.raises(InvalidInput):
        agents.update_agent(agent=rita, actor=alice, changes={"name": "New", "max_turns": 0})

    rita.refresh_from_db()
    assert rita.name == "Rita"
    assert rita.versions.count() == 1


def test_a_model_that_is_gone_can_stay_but_not_be_chosen(rita: Agent, alice: User) -> None:
    AgentVersion.objects.update(runtime=Runtime.ANTHROPIC, model="claude-0")

    agents.update_agent(agent=rita, actor=alice, changes={"max_turns": 7})
    with pytest.raises(InvalidInput):
        agents.update_agent(agent=rita, actor=alice, changes={"model": "claude-1"})


def test_restore_version_copies_it_to_the_front(rita: Agent, alice: User) -> None:
    agents.update_agent(agent=rita, actor=alice, changes={"instructions": "Something else."})

    restored = agents.restore_version(agent=rita, actor=alice, number=1)

    assert restored.version is not None
    assert (restored.version.number, restored.version.instructions) == (3, INSTRUCTIONS)
    assert rita.versions.count() == 3
    assert agents.restore_version(agent=rita, actor=alice, number=3).version == restored.version
    with pytest.raises(NotFound):
        agents.restore_version(agent=rita, actor=alice, number=9)


def test_pause_and_resume(rita: Agent, alice: User) -> None:
    assert agents.pause_agent(agent=rita, actor=alice).status == AgentStatus.PAUSED
    assert agents.pause_agent(agent=rita, actor=alice).status == AgentStatus.PAUSED
    assert agents.resume_agent(agent=rita, actor=alice).status == AgentStatus.ACTIVE
    assert AuditEntry.objects.filter(action="agent.paused").count() == 1


def test_remove_agent_tells_the_apps_above_once(rita: Agent, alice: User) -> None:
    received: list[Agent] = []

    def hear(*, agent: Agent, **_: Any) -> None:
        received.append(agent)

    agent_removed.register(hear)
    try:
        agents.remove_agent(agent=rita, actor=alice)
        agents.remove_agent(agent=rita, actor=alice)
    finally:
        agent_removed.unregister(hear)

    assert received == [rita]
    assert Agent.objects.present().count() == 0
    assert AgentVersion.objects.count() == 1
    for change in (
        lambda: agents.update_agent(agent=rita, actor=alice, changes={"name": "Back"}),
        lambda: agents.resume_agent(agent=rita, actor=alice),
        lambda: agents.restore_version(agent=rita, actor=alice, number=1),
    ):
        with pytest.raises(Conflict):
            change()


def test_remove_agent_undoes_itself_when_its_work_cannot_stop(rita: Agent, alice: User) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("cannot stop")

    agent_removed.register(fail)
    try:
        with pytest.raises(RuntimeError, match="cannot stop"):
            agents.remove_agent(agent=rita, actor=alice)
    finally:
        agent_removed.unregister(fail)

    rita.refresh_from_db()
    assert rita.status == AgentStatus.ACTIVE


def test_a_hook_returns_the_answer_of_each_function(rita: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks.agent_dependents, "functions", [])
    hooks.agent_dependents.register(lambda agent: [f"2 runs of {agent.name} are cancelled."])
    hooks.agent_dependents.register(lambda agent: [])

    assert hooks.agent_dependents(agent=rita) == [["2 runs of Rita are cancelled."], []]


def test_a_budget_counts_the_month_from_its_first_day(rita: Agent, team: Team, alice: User) -> None:
    for n, (outcome, cost) in enumerate([("charged", "1.25"), ("unknown", "9"), ("charged", "0.75")]):
        UsageRecord.objects.create(
            team=team,
            key=f"k{n}",
            kind="model",
            outcome=outcome,
            run_id=rita.pk,
            step_key="s",
            agent_id=rita.pk,
            cost_usd=cost,
        )
    UsageRecord.objects.filter(key="k2").update(at=timezone.now().replace(year=2020))

    agents.update_agent(agent=rita, actor=alice, changes={"budget_monthly_usd": Decimal("20")})
    agents.update_agent(agent=rita, actor=alice, changes={"budget_monthly_usd": Decimal("30")})

    budget = Budget.objects.get()
    assert (budget.agent_id, budget.limit_usd, budget.spent_usd) == (rita.pk, Decimal(30), Decimal("1.25"))
    assert budget.period == timezone.now().date().replace(day=1)
    agents.update_agent(agent=rita, actor=alice, changes={"budget_monthly_usd": None})
    assert Budget.objects.count() == 0
