"""Effectful calls. Intents come first, cancels stop them, and a run that kills workers harms no other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import User
from tasks import event_log
from tasks.models import HumanRequest, Run, Step
from tasks.services import answers, periodic
from tasks.services.runs import cancel_run
from tests.tasks.scripted import Scripted, call, engine, say, settled, types, until
from tests.timeouts import PATIENCE_S
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]
OK = ToolResult(content="ok", summary="Probed")


@pytest.mark.promise("G5", "G6")
def test_every_call_is_written_down_before_it_is_made(scripted: Play, start: Start, tool: Make) -> None:
    seen: list[Any] = []

    def written(run_id: str) -> tuple[Any, ...]:
        return Step.objects.filter(run_id=run_id).order_by("index").values_list("index", "kind", "status").last() or ()

    async def look(request: Any) -> None:
        seen.append(await sync_to_async(written)(request.run_id))

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        step = Step.objects.get(run_id=context.run_id, kind="tool")
        seen.append((step.index, step.kind, step.status))
        assert (context.idempotency_key, step.request) == (f"{context.run_id}:{step.index}", {"to": "bob"})
        return OK

    name = tool(probe)
    scripted([call(name, to="bob")], [say("Done.")], before_turn=look)
    with engine():
        settled(start(name), "succeeded")

    assert seen == [(1, "model", "intent"), (2, "tool", "intent"), (3, "model", "intent")]


# ---- Approvals, over restarts and time


@pytest.mark.promise("G4", "G13")
def test_an_approved_call_is_made_once_however_often_workers_change(
    scripted: Play, start: Start, tool: Make, alice: User, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"heartbeat_s": 3600.0, "lease_s": 3600.0, "drain_s": PATIENCE_S}
    made: list[tuple[str, Any]] = []

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        made.append((context.idempotency_key, dict(arguments)))
        return OK

    name = tool(probe)
    reached, go_on = threading.Event(), threading.Event()

    async def hold_the_last(request: Any) -> None:
        if len(request.messages) > 1:
            reached.set()
            while not go_on.is_set():
                await asyncio.sleep(0.01)

    scripted([call(name, to="bob", amount=3)], [say("Done.")], before_turn=hold_the_last)
    with engine("asks"):
        run = settled(start(name, policies={name: "ask"}), "waiting")
    asked = HumanRequest.objects.get(run=run)
    answers.answer_request(asked=asked, actor=alice, answer={"decision": "approve", "digest": asked.digest})
    assert made == []

    with engine("makes it") as first:
        until(reached.is_set)
        Run.objects.filter(pk=run.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
        first._loop.call_soon_threadsafe(first._draining.set)
        with engine("goes on"):
            until(lambda: Run.objects.get(pk=run.pk).worker == "goes on")
            go_on.set()
            settled(run, "succeeded")

    assert made == [(f"{run.pk}:2", {"to": "bob", "amount": 3})]
    assert (run.recoveries, types(run).count("tool.started")) == (1, 1)


@pytest.mark.promise("G13")
def test_an_approval_that_came_too_late_makes_no_call(scripted: Play, start: Start, tool: Make, alice: User) -> None:
    made: list[str] = []

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        made.append(context.run_id)
        return OK

    name = tool(probe)
    runtime = scripted([call(name)], [say("Then not.")])
    with engine():
        run = settled(start(name, policies={name: "ask"}), "waiting")
        asked = HumanRequest.objects.get(run=run)
        HumanRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        asked.refresh_from_db()
        approve = {"decision": "approve", "digest": asked.digest}
        with pytest.raises(Conflict, match="has expired"):
            answers.answer_request(asked=asked, actor=alice, answer=approve)
        run.refresh_from_db()
        assert run.status == "waiting"

        periodic.expire_requests()
        with pytest.raises(Conflict, match="has expired"):
            answers.answer_request(asked=asked, actor=alice, answer=approve)
        settled(run, "succeeded")

    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert (made, result["content"]) == ([], "Nobody answered in time, so the call was not made.")


@pytest.mark.parametrize("is_edit", [False, True])
@pytest.mark.promise("G13")
def test_a_stored_call_that_was_changed_after_it_was_shown_is_not_made(
    scripted: Play, start: Start, tool: Make, alice: User, is_edit: bool
) -> None:
    made: list[str] = []

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        made.append(context.run_id)
        return OK

    name = tool(probe)
    scripted([call(name, to="bob")], [say("Then not.")])
    with engine():
        run = settled(start(name, policies={name: "ask"}), "waiting")
    asked = HumanRequest.objects.get(run=run)
    decision = {"decision": "edit", "arguments": {"to": "carol"}} if is_edit else {"decision": "approve"}
    asked = answers.answer_request(asked=asked, actor=alice, answer={"digest": asked.digest} | decision)
    if is_edit:
        HumanRequest.objects.update(answer=asked.answer | {"arguments": {"to": "mallory"}})
    else:
        HumanRequest.objects.update(arguments={"to": "mallory"})

    with engine():
        settled(run, "succeeded")

    assert made == []
    assert "tool.started" not in types(run)


# ---- Cancels reach a running call in two ways


@pytest.mark.parametrize("way", ["message", "heartbeat"])
@pytest.mark.promise("G12", "admission")
def test_a_cancel_stops_a_tool_in_flight(
    scripted: Play, start: Start, tool: Make, alice: User, settings: Any, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "message":
        settings.ENGINE = settings.ENGINE | {"heartbeat_s": 3600.0, "lease_s": 3600.0}
    else:
        monkeypatch.setattr("tasks.event_log.publish", lambda hints: None)
    begun, stopped = threading.Event(), threading.Event()

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        begun.set()
        until(context.cancelled)
        stopped.set()
        return OK

    name = tool(probe, effect=Effect.READ_ONLY)
    runtime = scripted([call(name)], [say("Never.")])
    with engine():
        run = start(name)
        assert begun.wait(PATIENCE_S)
        until(lambda: event_log.valkey().pubsub_numsub(event_log.CONTROL_CHANNEL)[0][1])  # the worker listens
        cancel_run(run=run, actor=alice)
        assert stopped.wait(PATIENCE_S)

    run.refresh_from_db()
    assert (run.status, types(run)[-2:], len(runtime.calls)) == ("cancelled", ["tool.started", "run.finished"], 1)


# ---- Poison


@pytest.mark.promise("G9")
def test_a_poison_run_stops_and_its_neighbours_go_on(scripted: Play, start: Start, settings: Any) -> None:
    limit = settings.ENGINE["max_recoveries"]
    runtime = scripted([say("Done.")])
    poison, *others = [start() for _ in range(4)]
    lost = {"status": "running", "worker": "dead", "epoch": 9, "lease_expires_at": timezone.now()}
    Run.objects.filter(pk=poison.pk).update(recoveries=limit, **lost)
    Run.objects.filter(pk=others[0].pk).update(recoveries=limit - 1, **lost)

    with engine():
        ended = [settled(run) for run in (poison, *others)]

    assert [run.status for run in ended] == ["failed", "succeeded", "succeeded", "succeeded"]
    assert (poison.error_code, poison.recoveries) == ("worker_lost", limit + 1)
    assert f"lost {limit + 1} times" in poison.error_detail
    assert str(poison.pk) not in [request.run_id for request in runtime.calls]
