"""Tools that announce their effect. A failure before it is retried or reported, and nobody is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from accounts.models import User
from tasks.engine import lease, tool_executor
from tasks.models import HumanRequest, Run, Step
from tasks.services import periodic, runs
from tests.tasks.scripted import Scripted, call, engine, last, say, settled, types, until
from tests.timeouts import PATIENCE_S
from tools import catalog
from tools.errors import CallAbandoned, OutcomeUnknown
from tools.spec import Effect, ToolContext, ToolResult

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]
Make = Callable[..., str]
OK = ToolResult(content="ok", summary="Sent")


@pytest.fixture
def sends(tool: Make) -> Callable[..., list[str]]:
    """Function that registers an effectful tool whose `before` and `after` may fail.

    Returns the keys of the effects.
    """

    def make(
        before: Callable[[], Any] = lambda: None, after: Callable[[], Any] = lambda: None, **more: Any
    ) -> list[str]:
        had: list[str] = []

        def run(ctx: ToolContext, arguments: Any) -> ToolResult:
            before()
            ctx.begin_effect()
            had.append(ctx.idempotency_key)
            after()
            return OK

        tool(run, effect=Effect.EFFECTFUL, announces_effect=True, **more)
        return had

    return make


def failing(*errors: Exception) -> Callable[[], None]:
    left = list(errors)

    def fail() -> None:
        if left:
            raise left.pop(0)

    return fail


def lose(run: Run, *, has_begun: bool) -> None:
    """Leave the run as a worker does that was killed in the middle of the call."""
    Step.objects.create(
        run=run, index=1, kind="model", status="done",
        result={"content": [call("probe")], "stop": "tool_use", "message_id": "m", "cost_usd": "0"},
    )  # fmt: skip
    Step.objects.create(
        run=run, index=2, kind="tool", status="intent", call_id="toolu_probe", tool="probe",
        effect_at=Now() if has_begun else None,
    )  # fmt: skip
    Run.objects.filter(pk=run.pk).update(
        status="running", worker="dead", epoch=1, started_at=Now(), lease_expires_at="2026-01-01T00:00:00Z"
    )


@pytest.mark.promise("G5")
def test_what_was_away_before_the_effect_is_tried_again_and_nobody_is_asked(
    scripted: Play, start: Start, sends: Callable[..., list[str]]
) -> None:
    had = sends(failing(OperationalError("server closed the connection"), OperationalError("again")))
    scripted([call("probe")], [say("Done.")])
    with engine():
        run = settled(start("probe"), "succeeded")

    assert had == [f"{run.pk}:2"]
    assert (types(run).count("tool.started"), types(run).count("tool.unknown")) == (1, 0)
    assert not HumanRequest.objects.exists()


@pytest.mark.promise("G5")
def test_what_stays_away_is_waited_for_without_a_worker(
    scripted: Play, start: Start, sends: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_executor, "PATIENCE_S", 0.0)
    had = sends(failing(*[OperationalError("away")] * 2))
    scripted([call("probe")], [say("Done.")])
    with engine():
        run = settled(start("probe"), "waiting")
        assert (run.waiting_kind, last(run, "error")["code"]) == ("timer", "tool_away")
        for _ in range(2):
            settled(run, "waiting", "succeeded")
            Run.objects.filter(pk=run.pk, status="waiting").update(start_at=Now())
            periodic.start_due_runs()
        settled(run, "succeeded")

    assert (had, types(run).count("error")) == ([f"{run.pk}:2"], 1)
    assert not HumanRequest.objects.exists()


def test_what_never_comes_back_is_told_to_the_model(
    scripted: Play, start: Start, sends: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_executor, "PATIENCE_S", 0.0)
    monkeypatch.setattr(tool_executor, "MOST_WAITS", 0)
    had = sends(failing(OperationalError("away")))
    runtime = scripted([call("probe")], [say("Done.")])
    with engine():
        settled(start("probe"), "succeeded")

    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert (result["is_error"], result["content"], had) == (
        True, "Probe waits: the database does not answer. Go on without it, or say so.", [],
    )  # fmt: skip


@pytest.mark.promise("G5")
def test_a_fault_before_the_effect_is_told_and_one_after_it_is_asked_about(
    scripted: Play, start: Start, sends: Callable[..., list[str]]
) -> None:
    had = sends(failing(ValueError("a bug")))
    runtime = scripted([call("probe")], [say("Done.")])
    with engine():
        settled(start("probe"), "succeeded")
        result: Any = runtime.calls[1].messages[-1]["content"][0]
        assert (result["is_error"], had) == (True, [])
        assert not HumanRequest.objects.exists()

        sends(after=failing(ValueError("a bug")))
        run = settled(start("probe"), "waiting")

    assert run.waiting_kind == "unknown_effect"


@pytest.mark.promise("G5")
def test_the_beginning_of_an_effect_is_committed_before_it(
    scripted: Play, start: Start, sends: Callable[..., list[str]]
) -> None:
    seen: list[bool] = []

    def look() -> None:
        seen.append(Step.objects.get(kind="tool").effect_at is not None)

    sends(look, look)
    scripted([call("probe")], [say("Done.")])
    with engine():
        settled(start("probe"), "succeeded")

    assert seen == [False, True]


@pytest.mark.promise("G5")
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_lost_call_is_asked_about_only_if_its_effect_had_begun(
    scripted: Play, start: Start, sends: Callable[..., list[str]], has_begun: bool
) -> None:
    had = sends()
    scripted([], [say("Done.")])
    run = start("probe")
    lose(run, has_begun=has_begun)
    with engine():
        settled(run, "waiting" if has_begun else "succeeded")

    assert last(run, "tool.unknown")["will_repeat"] is not has_begun
    assert (had, HumanRequest.objects.count()) == ([], 1) if has_begun else ([f"{run.pk}:2"], 0)


@pytest.mark.promise("G5", "G12")
def test_no_effect_begins_after_a_cancel(
    scripted: Play, start: Start, sends: Callable[..., list[str]], alice: User
) -> None:
    at_work, go_on, refused = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        at_work.set()
        go_on.wait(PATIENCE_S)

    had = sends(wait)
    inner = catalog.builtin("probe").run
    assert inner is not None

    def told(ctx: ToolContext, arguments: Any) -> ToolResult:
        try:
            return inner(ctx, arguments)
        except CallAbandoned:
            refused.set()
            raise

    catalog._added["probe"] = replace(catalog.builtin("probe"), run=told)
    scripted([call("probe")], [say("Done.")])
    with engine():
        run = start("probe")
        assert at_work.wait(PATIENCE_S)
        runs.cancel_run(run=Run.objects.get(pk=run.pk), actor=alice)
        go_on.set()
        assert refused.wait(PATIENCE_S)

    assert had == []
    assert Step.objects.get(kind="tool").effect_at is None


@pytest.mark.promise("G3", "G5")
def test_no_effect_begins_while_the_lease_is_over_by_our_own_clock(
    scripted: Play, start: Start, sends: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    ready: list[str] = []
    over = iter([False, True])
    monkeypatch.setattr(lease.Lease, "is_over", lambda self: next(over, False))
    had = sends(lambda: ready.append("ready"))
    scripted([call("probe")], [say("Done.")])
    with engine():
        run = settled(start("probe"), "succeeded")

    assert (ready, had) == (["ready", "ready"], [f"{run.pk}:2"])
    assert not HumanRequest.objects.exists()


@pytest.mark.promise("G5")
def test_a_call_that_took_too_long_before_its_effect_has_none_later(
    scripted: Play, start: Start, sends: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tool_executor, "GRACE_S", 0.0)
    go_on = threading.Event()
    had = sends(lambda: go_on.wait(PATIENCE_S), timeout_s=0.3)
    runtime = scripted([call("probe")], [say("Done.")])
    with engine() as driver:
        settled(start("probe"), "succeeded")
        go_on.set()
        until(lambda: driver._ports.slots._value == driver._config["tool_threads"])

    result: Any = runtime.calls[1].messages[-1]["content"][0]
    assert (result["is_error"], had) == (True, [])
    assert result["content"].endswith("was given up. Nothing outside was changed.")
    assert not HumanRequest.objects.exists()


@pytest.mark.promise("G5")
def test_a_tool_that_announces_nothing_may_have_had_its_effect_at_once(
    scripted: Play, start: Start, tool: Make
) -> None:
    def run(ctx: ToolContext, arguments: Any) -> ToolResult:
        assert Step.objects.get(kind="tool").effect_at is not None
        raise OperationalError("away")

    tool(run, effect=Effect.EFFECTFUL)
    scripted([call("probe")], [say("Done.")])
    with engine():
        run_ = settled(start("probe"), "waiting")

    assert run_.waiting_kind == "unknown_effect"


def test_every_tool_of_ours_with_an_effect_announces_it() -> None:
    effectful = [spec for spec in catalog.builtins() if spec.effect == Effect.EFFECTFUL]

    assert [spec.name for spec in effectful] == ["email_report"]
    assert [spec.name for spec in effectful if not (spec.announces_effect and spec.needs_thread)] == []


def test_a_tool_that_fell_silent_says_so_itself(scripted: Play, start: Start, sends: Callable[..., list[str]]) -> None:
    had = sends(after=failing(OutcomeUnknown("The service fell silent.")))
    scripted([call("probe")], [say("Done.")])
    with engine():
        run = settled(start("probe"), "waiting")

    assert (len(had), HumanRequest.objects.get(run=run).prompt.startswith("The service fell silent.")) == (1, True)


def test_the_engine_rests_while_an_effect_takes_its_time(
    scripted: Play, start: Start, sends: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    left_s = tool_executor.InFlight.left_s

    def counted(call: tool_executor.InFlight) -> float:
        looks.append(time.monotonic())
        return left_s(call)

    def take_a_second() -> None:
        looks.clear()
        threading.Event().wait(1.0)

    monkeypatch.setattr(tool_executor.InFlight, "left_s", counted)
    sends(after=take_a_second)
    scripted([call("probe")], [say("Done.")])
    with engine():
        settled(start("probe"), "succeeded")

    assert len(looks) <= 1.0 / tool_executor.TELL_EVERY_S + 2
