"""Limits of money, turns and time, and results that break their schema."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from accounts.errors import InvalidInput
from accounts.models import Team, User
from agents.runtimes.base import ModelError, Stop
from billing.models import Budget, Reservation, UsageRecord
from billing.services import save_budget
from tasks.models import HumanRequest, Run
from tasks.services import answers
from tests.tasks.scripted import Scripted, call, last, say, settled, types

pytestmark = pytest.mark.usefixtures("driver")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
READ = call("list_files")


def error(kind: str = "overloaded", **more: Any) -> ModelError:
    values = {"retryable": True, "sent": False, "retry_after_s": 0.01} | more
    return ModelError(f"The model is {kind}.", kind=kind, **values)


@pytest.mark.promise("G7")
def test_a_run_stops_before_it_could_pass_its_cost_limit(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted([READ], [say("Done.")], cost_usd=Decimal("0.04"), worst_usd=Decimal("0.05"))
    run = settled(start("list_files", limits={"max_cost_usd": "0.06"}))

    assert (run.status, run.waiting_kind, len(runtime.calls)) == ("waiting", "budget", 1)
    asked = HumanRequest.objects.get(run=run)
    with pytest.raises(InvalidInput, match=r"up to \$0.09"):
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "raise", "max_cost_usd": "0.08"})
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "raise", "max_cost_usd": "0.10"})

    settled(run, "succeeded")
    assert (run.cost_usd, run.max_cost_usd) == (Decimal("0.080000"), Decimal("0.10"))
    assert types(run).count("tool.started") == 1


def test_stopping_for_money_fails_the_run(scripted: Play, start: Start, alice: User) -> None:
    scripted([say("Done.")], worst_usd=Decimal(5))
    run = settled(start())
    answers.answer_request(asked=HumanRequest.objects.get(run=run), actor=alice, answer={"decision": "stop"})

    settled(run, "failed")
    assert run.error_code == "budget_exhausted"


def month() -> date:
    return date.today().replace(day=1)  # noqa: DTZ011


@pytest.mark.promise("G7")
def test_a_team_budget_is_reserved_and_settled(scripted: Play, start: Start, team: Team) -> None:
    budget = Budget.objects.create(team=team, limit_usd=Decimal("0.06"), period=month())
    scripted([say("Done.")], cost_usd=Decimal("0.02"), worst_usd=Decimal("0.05"))

    first, second = settled(start()), settled(start())

    budget.refresh_from_db()
    assert (first.status, second.status, second.waiting_kind) == ("succeeded", "waiting", "budget")
    assert (budget.spent_usd, budget.reserved_usd) == (Decimal("0.020000"), Decimal("0.000000"))
    assert last(second, "budget.exhausted")["scope"] == "team"
    assert not Reservation.objects.exists()


@pytest.mark.promise("G4", "G7")
def test_raising_a_budget_continues_the_run_at_the_same_step(scripted: Play, start: Start, team: Team) -> None:
    save_budget(team=team, limit_usd=Decimal("0.06"))
    runtime = scripted([READ], [say("Done.")], cost_usd=Decimal("0.04"), worst_usd=Decimal("0.05"))
    run = settled(start("list_files"))
    assert (run.status, len(runtime.calls)) == ("waiting", 1)

    save_budget(team=team, limit_usd=Decimal("0.07"))
    settled(run, "waiting", seconds=5)
    save_budget(team=team, limit_usd=Decimal("1.00"))

    settled(run, "succeeded")
    assert (types(run).count("tool.started"), len(runtime.calls), run.turns) == (1, 2, 2)
    assert Budget.objects.get().spent_usd == Decimal("0.080000")


def test_the_warning_comes_at_80_percent(scripted: Play, start: Start, team: Team) -> None:
    Budget.objects.create(team=team, limit_usd=Decimal("0.10"), period=month())
    calls = [[call("list_files", f"toolu_{n}")] for n in range(4)]
    scripted(*calls, [say("Done.")], cost_usd=Decimal("0.02"), worst_usd=Decimal("0.02"))

    run = settled(start("list_files"))

    assert (run.status, types(run).count("budget.warning")) == ("succeeded", 1)


def test_a_run_is_warned_at_80_percent_of_its_own_limit(scripted: Play, start: Start, alice: User) -> None:
    calls = [[call("list_files", f"toolu_{n}", path=str(n))] for n in range(6)]
    scripted(*calls, [say("Done.")], cost_usd=Decimal("0.02"), worst_usd=Decimal("0.02"))
    run = settled(start("list_files", limits={"max_cost_usd": "0.10"}), "waiting")

    assert last(run, "budget.warning") == {"scope": "run", "spent_usd": "0.080000", "limit_usd": "0.100000"}
    told = types(run)
    assert (told.count("budget.warning"), told.index("budget.warning") - told.index("usage.charged") > 0) == (1, True)
    asked = HumanRequest.objects.get(run=run)
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "raise", "max_cost_usd": "0.16"})
    settled(run, "succeeded")
    assert types(run).count("budget.warning") == 2


def test_a_run_that_may_cost_nothing_and_costs_nothing_is_not_warned(scripted: Play, start: Start) -> None:
    scripted([say("Done.")], cost_usd=Decimal(0), worst_usd=Decimal(0))
    run = settled(start(limits={"max_cost_usd": "0.00"}), "succeeded")

    assert types(run).count("budget.warning") == 0


def test_turn_limit(scripted: Play, start: Start) -> None:
    runtime = scripted(lambda request: [call("list_files", f"toolu_{len(request.messages)}")])
    run = settled(start("list_files", limits={"max_turns": 3}))

    assert (run.status, run.error_code, len(runtime.calls)) == ("failed", "turn_limit", 3)


def test_time_limit_counts_active_time(scripted: Play, start: Start) -> None:
    scripted([say("Never.")], before_turn=lambda request: asyncio.sleep(3600))
    run = settled(start(limits={"timeout_s": 1}))

    assert (run.status, run.error_code) == ("failed", "timeout")
    assert UsageRecord.objects.get(run_id=run.pk).outcome == "unknown"


@pytest.mark.promise("G6")
def test_a_model_that_is_busy_is_asked_again_under_the_same_step(scripted: Play, start: Start) -> None:
    moves = iter([error(), error(sent=True), [say("Done.")]])
    scripted(lambda request: next(moves))
    run = settled(start())

    assert run.status == "succeeded"
    assert [kind for kind in types(run) if kind in ("model.started", "error")] == [
        "model.started",
        "error",
        "model.started",
        "error",
        "model.started",
    ]
    assert run.turns == 1
    assert sorted(UsageRecord.objects.values_list("outcome", flat=True)) == ["charged", "unknown"]
    assert run.cost_usd == Decimal("0.010000")


def test_an_error_that_will_not_go_away_fails_at_once(scripted: Play, start: Start) -> None:
    runtime = scripted(error("auth", retryable=False))
    run = settled(start())

    assert (run.status, run.error_code, run.error_detail) == ("failed", "model_error", "The model is auth.")
    assert len(runtime.calls) == 1


def test_refusal(scripted: Play, start: Start) -> None:
    scripted((Stop.REFUSAL, [say("No.")]))
    run = settled(start())

    assert (run.status, run.error_code) == ("failed", "model_refused")


def test_an_answer_that_was_cut_off_is_continued(scripted: Play, start: Start) -> None:
    scripted((Stop.MAX_TOKENS, [say("One, ")]), [say("two.")])
    run = settled(start())

    assert (run.status, run.output) == ("succeeded", "One, two.")


def test_a_paused_turn_is_sent_back_as_it_is(scripted: Play, start: Start) -> None:
    runtime = scripted((Stop.PAUSE_TURN, [say("Searching")]), [say("Done.")])
    run = settled(start())

    assert run.status == "succeeded"
    assert runtime.calls[1].messages[-1] == {"role": "assistant", "content": [say("Searching")]}


def test_output_that_does_not_fit_its_schema_is_never_a_success(scripted: Play, start: Start) -> None:
    schema = {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}
    runtime = scripted([say("about 42")])
    run = settled(start(output_schema=schema))

    assert (run.status, run.error_code, len(runtime.calls)) == ("failed", "bad_output", 3)
    scripted([say('```json\n{"total": 42}\n```')])
    run = settled(start(output_schema=schema))
    assert (run.status, run.output) == ("succeeded", {"total": 42})


def test_a_missing_artifact_is_asked_for_then_fails(scripted: Play, start: Start) -> None:
    runtime = scripted([say("I did it.")])
    run = settled(start("write_file", required_artifacts=["report.md"]))

    assert (run.status, run.error_code) == ("failed", "bad_output")
    said: Any = runtime.calls[1].messages[-1]["content"]
    assert said[0]["text"].startswith(
        "Your result is not complete: these files are missing from the workspace: report.md"
    )


def test_turning_in_a_circle_pauses_the_run(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted(lambda request: [call("list_files", f"toolu_{len(request.messages)}")])
    run = settled(start("list_files"))

    assert (run.status, run.waiting_kind, len(runtime.calls)) == ("waiting", "no_progress", 5)
    asked = HumanRequest.objects.get(run=run)
    assert asked.prompt.startswith("list_files was called 5 times with the same arguments and the same result.")
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "stop"})
    settled(run, "failed")
    assert run.error_code == "no_progress"


def test_who_says_go_on_is_asked_again_when_the_circle_goes_on(scripted: Play, start: Start, alice: User) -> None:
    runtime = scripted(lambda request: [call("list_files", f"toolu_{len(request.messages)}")])
    run = settled(start("list_files"))

    for times in (1, 2):
        asked = HumanRequest.objects.open().get(run=run)
        answers.answer_request(asked=asked, actor=alice, answer={"decision": "continue"})
        settled(run, "waiting")
        assert (run.waiting_kind, len(runtime.calls)) == ("no_progress", 5 + 5 * times)

    assert types(run).count("run.resumed") == 2
    assert HumanRequest.objects.filter(run=run).count() == 3


def test_many_turns_without_a_call_that_worked_pause_the_run(scripted: Play, start: Start, alice: User) -> None:
    def fail(request: Any) -> Any:
        turn = len(request.messages)
        return [say(f"I try {turn}."), call("write_file", f"toolu_{turn}", path=turn)]

    runtime = scripted(fail)
    run = settled(start("write_file"))

    assert (run.status, run.waiting_kind, len(runtime.calls)) == ("waiting", "no_progress", 10)
    asked = HumanRequest.objects.get(run=run)
    assert asked.prompt == "10 turns without one tool call that worked. The agent says:\n\nI try 19."
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "continue"})
    settled(run, "waiting")
    assert len(runtime.calls) == 20


def test_a_tool_that_the_agent_does_not_have_is_refused(scripted: Play, start: Start) -> None:
    runtime = scripted([call("run_python", code="1")], [say("Done.")])
    run = settled(start("list_files"))

    assert run.status == "succeeded"
    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert result["is_error"] is True
    assert "no tool named 'run_python'" in result["content"]
    assert "tool.started" not in types(run)
