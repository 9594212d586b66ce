"""Workers that die, wake up late, are told to stop, or lose the broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import Team, User
from agents.runtimes.base import ModelError
from billing.models import Budget, Reservation, UsageRecord
from billing.services import save_budget
from tasks import async_db, event_log
from tasks.engine.driver import Driver
from tasks.engine.journal import Journal
from tasks.engine.outages import MAX_BILLED_FAILURES
from tasks.models import Artifact, HumanRequest, Run, Step
from tasks.services import answers, periodic
from tasks.services.runs import cancel_run
from tests.clocks import clock_that_is_wrong_by
from tests.periodic import run_periodic_jobs
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tests.timeouts import PATIENCE_S
from tools import catalog
from tools.spec import Effect

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]


def lose_worker(run: Run, *steps: dict[str, Any], recoveries: int = 0) -> None:
    """Leave the run as a killed worker does."""
    for step in steps:
        Step.objects.create(run=run, **step)
    Run.objects.filter(pk=run.pk).update(
        status="running",
        worker="dead",
        epoch=recoveries + 1,
        recoveries=recoveries,
        turns=sum(step["kind"] == "model" for step in steps),
        started_at=timezone.now(),
        lease_expires_at=timezone.now() - timedelta(seconds=1),
    )


ASKED = {"index": 1, "kind": "model", "status": "done", "result": {"stop": "tool_use", "message_id": "msg_1"}}
BUSY = ModelError("Busy.", kind="overloaded", retryable=True, sent=False, retry_after_s=0.0)


@pytest.mark.promise("G1", "G6")
def test_a_lost_model_call_is_asked_again_and_costs_nothing(scripted: Play, start: Start) -> None:
    runtime = scripted([say("Done.")])
    run = start()
    lose_worker(run, {"index": 1, "kind": "model", "status": "intent", "request": {"worst_usd": "0.500000"}})

    with engine():
        settled(run, "succeeded")

    assert len(runtime.calls) == 1
    assert types(run)[2:5] == ["attempt.lost", "run.resumed", "model.started"]
    assert last(run, "model.started") == {"step": 1, "model": "demo-1", "attempt": 2}
    lost = UsageRecord.objects.get(outcome="unknown")
    assert (lost.key, str(lost.cost_usd)) == (f"unknown:{run.pk}:1:1", "0.500000")
    assert str(run.cost_usd) == "0.010000"
    assert (run.recoveries, run.turns) == (1, 1)


def test_a_worker_that_died_in_a_call_takes_no_try_from_the_model(scripted: Play, start: Start) -> None:
    fault = ModelError("A fault.", kind="server", retryable=True, sent=True)
    scripted([say("Done.")], before_turn=_fails_once(fault))
    run = start()
    counts = {"failures": 0, "billed_failures": MAX_BILLED_FAILURES - 2}
    lost = {"index": 1, "kind": "model", "status": "intent", "attempt": 16, "request": counts}
    lose_worker(run, lost, recoveries=1)

    with engine():
        settled(run, "succeeded")

    assert last(run, "error") == {"code": "model_server", "detail": "A fault.", "will_retry": True}
    assert last(run, "model.started")["attempt"] == 18


def _fails_once(error: ModelError) -> Callable[[object], None]:
    left = [error]

    def fail(request: object) -> None:
        if left:
            raise left.pop()

    return fail


@pytest.mark.promise("G4")
def test_a_settled_step_is_never_taken_again(scripted: Play, start: Start) -> None:
    runtime = scripted([call("write_file", path="a.txt", content="1")], [say("Done.")])
    run = start("write_file")
    asked = ASKED | {"result": {**ASKED["result"], "content": [call("write_file", path="a.txt", content="1")]}}  # type: ignore[dict-item]
    done = {"index": 2, "kind": "tool", "status": "done", "tool": "write_file", "call_id": "toolu_write_file"}
    lose_worker(run, asked, done | {"result": {"content": "Wrote a.txt", "is_error": False, "summary": "Wrote"}})

    with engine():
        settled(run, "succeeded")

    assert len(runtime.calls) == 1
    assert "tool.started" not in types(run)
    assert not Artifact.objects.exists()


def lose_in_tool(run: Run, tool: str, **arguments: Any) -> None:
    asked = ASKED | {"result": {**ASKED["result"], "content": [call(tool, **arguments)]}}  # type: ignore[dict-item]
    intent = {"index": 2, "kind": "tool", "status": "intent", "tool": tool, "call_id": f"toolu_{tool}"}
    lose_worker(run, asked, intent | {"request": arguments})


@pytest.mark.promise("G5")
def test_a_lost_call_that_is_safe_to_repeat_is_repeated(scripted: Play, start: Start) -> None:
    scripted([], [say("Done.")])
    run = start("write_file")
    lose_in_tool(run, "write_file", path="a.txt", content="1")

    with engine():
        settled(run, "succeeded")

    assert last(run, "tool.unknown")["will_repeat"] is True
    assert Artifact.objects.get(run=run).path == "a.txt"
    assert Step.objects.get(run=run, index=2).attempt == 2


@pytest.mark.promise("G5")
@pytest.mark.parametrize(("decision", "times"), [("happened", 0), ("skip", 0), ("retry", 1)])
def test_a_lost_effect_asks_a_person(
    scripted: Play, start: Start, alice: User, monkeypatch: pytest.MonkeyPatch, decision: str, times: int
) -> None:
    spec = catalog.builtin("write_file")
    real, count = catalog.builtin, []

    def run_it(context: Any, arguments: Any) -> Any:
        count.append(context.idempotency_key)
        assert spec.run
        return spec.run(context, arguments)

    effectful = replace(spec, effect=Effect.EFFECTFUL, run=run_it)
    monkeypatch.setattr(catalog, "builtin", lambda name: effectful if name == "write_file" else real(name))
    runtime = scripted([], [say("Done.")])
    run = start("write_file")
    lose_in_tool(run, "write_file", path="a.txt", content="1")

    with engine():
        settled(run, "waiting")
        assert (run.waiting_kind, count) == ("unknown_effect", [])
        asked = HumanRequest.objects.get(run=run)
        answers.answer_request(asked=asked, actor=alice, answer={"decision": decision})
        settled(run, "succeeded")

    assert count == [f"{run.pk}:2"] * times
    assert len(runtime.calls) == 1


@pytest.mark.promise("G5")
def test_a_lost_effect_that_is_lost_again_asks_again(
    scripted: Play, start: Start, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    effectful = replace(catalog.builtin("write_file"), effect=Effect.EFFECTFUL)
    monkeypatch.setattr(catalog, "builtin", lambda name: effectful)
    scripted([], [say("Done.")])
    run = start("write_file")
    lose_in_tool(run, "write_file", path="a.txt", content="1")
    with engine():
        settled(run, "waiting")
        first = HumanRequest.objects.get(run=run)

    answers.answer_request(asked=first, actor=alice, answer={"decision": "retry"})
    Step.objects.filter(run=run, index=2).update(status="intent", attempt=2, effect_at=Now())
    lose_worker(run)
    with engine():
        settled(run, "waiting")

    assert HumanRequest.objects.filter(run=run, kind="unknown_effect").count() == 2
    assert not Artifact.objects.exists()


@pytest.mark.promise("G6", "G7")
def test_a_call_of_a_run_that_was_cancelled_with_its_worker_is_settled(
    scripted: Play, start: Start, alice: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = save_budget(team=team, limit_usd=Decimal(5))
    assert budget
    run = start()
    lose_worker(run, {"index": 1, "kind": "model", "status": "intent", "request": {"worst_usd": "0.500000"}})
    Reservation.objects.create(team=team, key=f"{run.pk}:1:1", run_id=run.pk, budget=budget, amount_usd="0.5")
    Budget.objects.update(reserved_usd="0.5")
    run.refresh_from_db()
    cancel_run(run=run, actor=alice)
    run_periodic_jobs()
    assert not UsageRecord.objects.exists()

    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.datetime", clock_that_is_wrong_by(hours=2))
    monkeypatch.setattr(periodic, "ABANDONED_AFTER", timedelta(0))
    run_periodic_jobs()
    run_periodic_jobs()

    assert UsageRecord.objects.get().outcome == "unknown"
    assert abs(UsageRecord.objects.get().at - now) < timedelta(minutes=5)
    assert (Reservation.objects.count(), Budget.objects.get().reserved_usd) == (0, Decimal(0))


@pytest.mark.promise("G9")
def test_a_poison_run_stops_with_the_reason(scripted: Play, start: Start) -> None:
    runtime = scripted([say("Never.")])
    run = start()
    lose_worker(run, recoveries=5)

    with engine():
        settled(run, "failed")

    assert (run.error_code, run.recoveries, runtime.calls) == ("worker_lost", 6, [])
    assert types(run)[-2:] == ["attempt.lost", "run.finished"]


@pytest.mark.promise("G9")
@pytest.mark.parametrize(("recoveries", "status"), [(19, "succeeded"), (20, "failed")])
def test_a_run_that_goes_on_between_its_losses_is_no_poison(
    scripted: Play, start: Start, recoveries: int, status: str
) -> None:
    scripted([say("Done.")])
    run = start()
    lose_worker(
        run, ASKED | {"epoch": recoveries, "result": {"stop": "max_tokens", "content": []}}, recoveries=recoveries
    )

    with engine():
        settled(run, status)


@pytest.mark.promise("G9")
def test_neighbours_of_a_poison_run_are_not_counted_down_with_it(scripted: Play, start: Start) -> None:
    scripted([say("Done.")])
    suspects = [start() for _ in range(4)]
    for run in suspects:
        lose_worker(run, recoveries=2)
    fresh = start()
    lose_worker(fresh)
    claims: dict[str, list[set[Any]]] = {"one": [], "two": []}

    async def claim() -> None:
        journals = [_journal(worker) for worker in claims]
        for journal in journals:
            await journal.open()
        for journal in journals * 2:
            claims[journal.worker].append({row["id"] for row in await journal.claim(100)})
        lived = await Run.objects.aget(worker="two")
        await Step.objects.acreate(run=lived, index=1, kind="model", status="done", epoch=lived.epoch)
        claims["two"].append({row["id"] for row in await journals[1].claim(100)})
        for journal in journals:
            await journal.close()

    asyncio.run(claim())
    Step.objects.all().delete()

    assert [len(ids) for ids in claims["one"]] == [2, 0]
    assert fresh.pk in claims["one"][0]
    assert [len(ids) for ids in claims["two"]] == [1, 0, 1]
    with engine():
        Run.objects.filter(status="running").update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        for run in suspects:
            assert settled(run, "succeeded").recoveries <= 4


def _journal(worker: str) -> Journal:
    pool = async_db.make_pool(max_size=1)
    return Journal(pool=pool, worker=worker, lease_s=30, team_runs=100, publish_hints=lambda written: None)


@pytest.mark.promise("G3", "G6")
def test_a_worker_that_lost_its_lease_writes_nothing(scripted: Play, start: Start, settings: Any) -> None:
    go_on, reached = threading.Event(), threading.Event()

    async def hold_the_first(request: Any) -> None:
        if not reached.is_set():
            reached.set()
            while not go_on.is_set():
                await asyncio.sleep(0.02)

    runtime = scripted([say("Done.")], before_turn=hold_the_first)
    settings.ENGINE = settings.ENGINE | {"heartbeat_s": 3600.0, "lease_s": 3600.0}
    run = start()
    with engine("sleeper") as sleeper:
        until(reached.is_set)
        Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        sleeper._loop.call_soon_threadsafe(sleeper._draining.set)  # it claims nothing more itself
        with engine("other"):
            settled(run, "succeeded")
            told = types(run)
            go_on.set()
            until(lambda: not sleeper._owned)

    assert types(run) == told
    assert told.count("run.finished") == told.count("attempt.lost") == 1
    assert [call.step_key for call in runtime.calls] == [f"{run.pk}:1", f"{run.pk}:1"]
    run.refresh_from_db()
    assert str(run.cost_usd) == "0.010000"
    outcomes = sorted(UsageRecord.objects.filter(run_id=run.pk).values_list("outcome", flat=True))
    assert outcomes == ["charged", "free"]  # one row for each of the two attempts


@pytest.mark.promise("G4", "G18")
def test_draining_hands_a_run_over_at_a_step_boundary(scripted: Play, start: Start, settings: Any) -> None:
    settings.ENGINE = settings.ENGINE | {"drain_s": PATIENCE_S}
    reached, go_on = threading.Event(), threading.Event()

    async def hold(request: Any) -> None:
        reached.set()
        while not go_on.is_set():
            await asyncio.sleep(0.02)

    scripted([call("write_file", path="a.txt", content="1")], [say("Done.")], before_turn=hold)
    run = start("write_file")
    first = Driver(worker="first")
    first.start()
    until(reached.is_set)
    first._loop.call_soon_threadsafe(first._draining.set)
    go_on.set()
    first.stop()

    run.refresh_from_db()
    assert (run.status, run.recoveries) == ("queued", 0)
    assert types(run)[-1] == "run.queued"
    with engine("second"):
        settled(run, "succeeded")
    assert "attempt.lost" not in types(run)
    assert run.recoveries == 0


@pytest.mark.promise("G6", "G12")
def test_cancel_reaches_a_model_call_in_flight(scripted: Play, start: Start, alice: User) -> None:
    reached, stopped = threading.Event(), threading.Event()

    async def hold(request: Any) -> None:
        reached.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            stopped.set()
            raise

    scripted([say("Never.")], before_turn=hold)
    run = start()
    with engine():
        until(reached.is_set)
        cancel_run(run=run, actor=alice)
        assert stopped.wait(PATIENCE_S)
        until(lambda: UsageRecord.objects.filter(run_id=run.pk).exists())

    run.refresh_from_db()
    assert (run.status, types(run)[-1]) == ("cancelled", "run.finished")
    assert UsageRecord.objects.get(run_id=run.pk).outcome == "unknown"
    assert str(run.cost_usd) == "0.000000"


@pytest.mark.promise("G2")
def test_a_run_is_taken_without_any_message(scripted: Play, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted([say("Done.")])
    monkeypatch.setattr("tasks.queue.wake_run", lambda run_id: None)
    run = start()

    with engine():
        settled(run, "succeeded")


@pytest.mark.promise("G6")
def test_an_answer_that_came_after_the_cancel_has_one_line_in_the_books(
    start: Start, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start()
    lose_worker(run, {"index": 1, "kind": "model", "status": "intent", "request": {"worst_usd": "0.500000"}})
    run.refresh_from_db()
    cancel_run(run=run, actor=alice)
    UsageRecord.objects.create(
        team=run.team, key="msg_late", kind="model", outcome="free", run_id=run.pk, step_key=f"{run.pk}:1:1"
    )

    monkeypatch.setattr(periodic, "ABANDONED_AFTER", timedelta(0))
    run_periodic_jobs()

    assert [(line.key, line.outcome) for line in UsageRecord.objects.all()] == [("msg_late", "free")]
    assert Step.objects.get(run=run).status == "unknown"


def test_an_error_that_nobody_thought_of_does_not_end_the_engine(
    scripted: Play, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scripted([say("Done.")])
    monkeypatch.setattr("tasks.engine.driver.RESTART_DELAY_S", 0.01)
    claim, fails = Journal.claim, [KeyError("not thought of"), KeyError("nor this")]

    async def half(self: Journal, room: int) -> Any:
        if fails:
            raise fails.pop()
        return await claim(self, room)

    monkeypatch.setattr(Journal, "claim", half)
    run = start()

    with engine() as running:
        running.wake()
        settled(run, "succeeded")
        until(lambda: event_log.valkey().publish(event_log.CONTROL_CHANNEL, "7"))
        until(lambda: "_listen_for_control broke and begins again" in caplog.text)
        until(lambda: event_log.valkey().publish(event_log.CONTROL_CHANNEL, "{}"))

    assert fails == []
    assert caplog.text.count("looking for work failed") == 2
