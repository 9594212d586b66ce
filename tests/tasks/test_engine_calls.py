"""Tool calls in edge cases: cancelled before they begin, unanswered, abandoned, or begun without a lease."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from tasks.engine import lease, tool_executor
from tasks.engine.workspace import Workspace
from tasks.models import HumanRequest, Run
from tasks.services import answers
from tasks.services.runs import cancel_run
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tests.timeouts import PATIENCE_S
from tools.errors import OutcomeUnknown
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]
OK = ToolResult(content="ok", summary="Probed")


@pytest.mark.promise("G12")
def test_a_call_that_waits_for_a_thread_does_not_begin_after_a_cancel(
    scripted: Play, start: Start, tool: Make, alice: User, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"tool_threads": 1}
    begun: list[str] = []
    first_is_in, go_on = threading.Event(), threading.Event()

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        begun.append(context.run_id)
        first_is_in.set()
        go_on.wait(PATIENCE_S)
        return OK

    name = tool(probe)
    scripted([call(name)], [say("Done.")])
    with engine():
        first = start(name)
        assert first_is_in.wait(PATIENCE_S)
        second = start(name)
        until(lambda: "model.finished" in types(second) or second.events.filter(type="model.started").exists())
        cancel_run(run=second, actor=alice)
        go_on.set()
        settled(first, "succeeded")

    assert begun == [str(first.pk)]
    assert "tool.started" not in types(second)


def test_a_call_that_needs_no_thread_does_not_wait_for_one(
    scripted: Play, start: Start, tool: Make, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"tool_threads": 1}
    first_is_in, go_on, ran_on = threading.Event(), threading.Event(), []

    def wait(context: ToolContext, arguments: Any) -> ToolResult:
        first_is_in.set()
        go_on.wait(PATIENCE_S)
        return OK

    def say_so(context: ToolContext, arguments: Any) -> ToolResult:
        ran_on.append(threading.current_thread().name)
        context.reporter.log(text="here")
        return OK

    slow, quick = tool(wait, name="slow"), tool(say_so, name="quick", needs_thread=False)
    scripted([call(slow)], [say("Done.")])
    with engine():
        first = start(slow)
        assert first_is_in.wait(PATIENCE_S)
        scripted([call(quick)], [say("Done.")])
        second = start(quick)
        settled(second, "succeeded")
        go_on.set()
        settled(first, "succeeded")

    assert ran_on == ["engine"]
    assert types(second)[6:9] == ["tool.started", "log", "tool.finished"]


@pytest.mark.promise("G18")
def test_a_stop_hands_over_a_run_that_waits_for_a_thread(
    scripted: Play, start: Start, tool: Make, settings: Any
) -> None:
    settings.ENGINE = settings.ENGINE | {"tool_threads": 1, "drain_s": 10.0}
    first_is_in, go_on = threading.Event(), threading.Event()

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        first_is_in.set()
        go_on.wait(PATIENCE_S)
        return OK

    name = tool(probe)
    scripted([call(name)], [say("Done.")])
    with engine() as driver:
        first = start(name)
        assert first_is_in.wait(PATIENCE_S)
        second = start(name)
        until(lambda: second.events.filter(type="model.started").exists())
        driver._loop.call_soon_threadsafe(driver._draining.set)
        settled(second, "queued")
        go_on.set()

    assert (types(second)[-1], types(second).count("tool.started")) == ("run.queued", 0)
    first.refresh_from_db()
    assert first.status == "queued"


@pytest.mark.promise("G5")
@pytest.mark.parametrize("how", ["says so", "breaks", "hangs"])
@pytest.mark.parametrize(("decision", "times"), [("happened", 1), ("retry", 2)])
def test_an_effect_without_an_answer_asks_a_person(
    scripted: Play, start: Start, tool: Make, alice: User, monkeypatch: pytest.MonkeyPatch,
    how: str, decision: str, times: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(tool_executor, "GRACE_S", 0.0)
    keys: list[str] = []
    release = threading.Event()

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        keys.append(context.idempotency_key)
        if len(keys) == 1:
            if how == "hangs":
                release.wait(PATIENCE_S)
            raise OutcomeUnknown("The service took the request and fell silent.") if how == "says so" else OSError
        return OK

    name = tool(probe, timeout_s=0.5 if how == "hangs" else PATIENCE_S)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name), "waiting")
        tool(probe, timeout_s=PATIENCE_S)  # the second call may answer late
        asked = HumanRequest.objects.get(run=run)
        assert (run.waiting_kind, asked.kind, last(run, "tool.unknown")["will_repeat"]) == (
            "unknown_effect", "unknown_effect", False,
        )  # fmt: skip
        release.set()
        answers.answer_request(asked=asked, actor=alice, answer={"decision": decision})
        settled(run, "succeeded")

    assert keys == [f"{run.pk}:2"] * times


def test_a_call_that_was_given_up_does_not_cancel_the_next_one(
    scripted: Play, start: Start, tool: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_executor, "GRACE_S", 0.0)
    seen: list[bool] = []

    def late(context: ToolContext, arguments: Any) -> ToolResult:
        until(context.cancelled)
        seen.append(context.cancelled())
        return OK

    def prompt(context: ToolContext, arguments: Any) -> ToolResult:
        seen.append(context.cancelled())
        return OK

    one = tool(late, name="one", timeout_s=0.3, effect=Effect.READ_ONLY)
    two = tool(prompt, name="two", timeout_s=PATIENCE_S, effect=Effect.READ_ONLY)
    scripted([call(one)], [call(two)], [say("Done.")])
    with engine():
        run = settled(start(one, two))

    assert (run.status, sorted(seen)) == ("succeeded", [False, True])


@pytest.mark.promise("G3", "G5")
def test_a_call_does_not_begin_while_the_lease_is_over_by_our_own_clock(
    scripted: Play, start: Start, tool: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    over = iter([True, True])

    def is_over(self: lease.Lease) -> bool:
        told.append("looked")
        return next(over, False)

    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        told.append("begun")
        return OK

    monkeypatch.setattr(lease.Lease, "is_over", is_over)
    name = tool(probe)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name))

    assert (run.status, told) == ("succeeded", ["looked", "looked", "looked", "begun"])


def test_a_lease_counts_from_before_it_was_asked_for_and_is_renewed(scripted: Play, start: Start, tool: Make) -> None:
    left: list[float] = []
    name = tool(lambda context, arguments: OK)

    async def look(request: Any) -> None:
        held = driver._owned[run.pk]
        before = held.lease.until
        while held.lease.until == before:
            await tool_executor.asyncio.sleep(0.02)
        left.append(held.lease.until - lease.now())

    scripted([say("Done.")], before_turn=look)
    with engine() as driver:
        run = start(name)
        settled(run, "succeeded")

    assert 0 < left[0] <= driver._config["lease_s"]


@pytest.mark.promise("G17")
def test_every_word_of_a_tool_is_kept(scripted: Play, start: Start, tool: Make) -> None:
    def probe(context: ToolContext, arguments: Any) -> ToolResult:
        for n in range(400):
            context.reporter.log(text=str(n))
            threading.Event().wait(0.002)
        return OK

    name = tool(probe, effect=Effect.READ_ONLY)
    scripted([call(name)], [say("Done.")])
    with engine():
        run = settled(start(name))

    logged = run.events.filter(type="log").order_by("seq").values_list("data__text", flat=True)
    assert list(logged) == [str(n) for n in range(400)]


def test_owners_of_a_run_do_not_share_a_folder(tmp_path: Path) -> None:
    row: dict[str, Any] = {"id": "0198", "inputs": [], "artifacts": []}
    late, present = (Workspace(root=tmp_path, run=row | {"epoch": epoch}) for epoch in (1, 2))
    late.stage_files()
    (present.stage_files() / "a.txt").write_text("1")

    late.remove()

    assert [path.name for path in tmp_path.iterdir()] == ["0198.2"]
    assert (present.path / "a.txt").read_text() == "1"


def test_an_owner_that_lays_late_leaves_the_folder_of_its_successor(tmp_path: Path) -> None:
    row: dict[str, Any] = {"id": "0198", "inputs": [], "artifacts": []}
    first, late, present = (Workspace(root=tmp_path, run=row | {"epoch": epoch}) for epoch in (2, 9, 10))
    first.stage_files()
    (present.stage_files() / "a.txt").write_text("1")
    assert [path.name for path in tmp_path.iterdir()] == ["0198.10"]

    late.stage_files()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["0198.10", "0198.9"]
    assert (present.path / "a.txt").read_text() == "1"
