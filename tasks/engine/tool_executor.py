"""Execution of one tool call. It starts only while the run is ours, can be cancelled, and is given up in time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import connections

from accounts.errors import DISK_FULL, NotFound, is_disk_full
from agents.services.memories import AgentMemory
from tasks import events
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import StepWrite
from tasks.engine.lease import Lease
from tasks.engine.resources import WorkerResources
from tasks.engine.workspace import Saved, Workspace, WorkspaceFull
from tasks.models import ErrorCode, WaitKind
from tools.errors import CallAbandoned, OutcomeUnknown, TryAgain
from tools.runner import is_away, run_tool, run_tool_async
from tools.spec import AsyncToolContext, Effect, ToolContext, ToolResult, ToolSpec

log = logging.getLogger(__name__)

GRACE_S = 2.0
"""Seconds beyond a tool's timeout before its call on a thread is given up. One on the loop is cancelled on time."""
TELL_EVERY_S = 0.25
"""Seconds between two commits of a tool's reports."""
PATIENCE_S = 10.0
"""Seconds of retries that hold the worker."""
BACKOFF_S, MAX_BACKOFF_S = 15.0, 60.0
"""Seconds that a run waits without a worker for its files: doubling, up to the second value."""
LONGEST_GAP_S = 30.0
"""Longest seconds between two attempts of repeatable work."""
MOST_WAITS = 10
"""Number of consecutive waits for a service of ours that keeps a tool from beginning. Then the model is told."""


def backoff(rests: int) -> timedelta:
    """Return the exponential backoff, capped; the exponent is clamped so that it cannot overflow."""
    return timedelta(seconds=min(BACKOFF_S * 2 ** min(rests, 9), MAX_BACKOFF_S))


@dataclass(slots=True)
class InFlight:
    """Call in progress, mostly on a thread."""

    spec: ToolSpec
    lease: Lease
    is_cancelled: bool = False
    began_at: float | None = None
    is_over: bool = False
    """True if nobody waits for it any more."""
    asked: Future[None] | None = None
    """Future that the tool waits for on its thread, before its effect: set once the beginning is committed."""
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """Start the time of the call, right before the tool runs. Raises CallAbandoned."""
        self.check()
        self.began_at = time.monotonic()

    def check(self) -> None:
        """Raise CallAbandoned unless this worker may still touch the outside."""
        if self.is_cancelled or self.is_over or self.lease.is_over():
            raise CallAbandoned

    def ask(self, done: Future[None]) -> None:
        """Request the commit of the effect's beginning. Called on the engine's loop."""
        if self.is_cancelled or self.is_over:
            done.set_exception(CallAbandoned())
            return
        self.asked = done
        self.was_asked.set()

    def end(self) -> None:
        """Prevent any effect from beginning from now on."""
        self.is_over = True
        if self.asked and not self.asked.done():
            self.asked.set_exception(CallAbandoned())

    def left_s(self) -> float:
        """Return the seconds until the call is given up."""
        waited = 0.0 if self.began_at is None else time.monotonic() - self.began_at
        grace = GRACE_S if self.spec.run_async is None else 0.0
        return self.spec.timeout_s + grace - waited


class ToolExecutor:
    """Executor of one run's tool calls, one at a time."""

    def __init__(self, run: ClaimedRun, ports: WorkerResources) -> None:
        self._run = run
        self._ports = ports
        self.workspace = Workspace(root=ports.workspaces, run=run.row)
        self._loop = asyncio.get_running_loop()
        self._in_flight: InFlight | None = None
        self._work: asyncio.Future[ToolResult] | None = None

    def stop(self) -> None:
        """Tell the call in progress that nobody waits for it any more."""
        if self._in_flight:
            self._in_flight.is_cancelled = True

    async def clean_up(self) -> None:
        """Remove the files, after a cancelled call on the loop has ended."""
        if self._work is not None and not self._work.done() and self._in_flight and self._in_flight.spec.run_async:
            await asyncio.wait({self._work}, timeout=GRACE_S)
        if self.workspace.is_begun:
            await self._on(self._ports.files, self.workspace.remove)

    # ---- Before

    async def prepare(self, spec: ToolSpec) -> None:
        """Stage the files. If the store is away for long, wait without a worker (Released): nothing has begun yet."""
        if not spec.uses_workspace:
            return
        try:
            await self.retry_while_away(self.workspace.stage_files, give_up_after_s=PATIENCE_S)
        except NotFound as error:
            await self._run.fail(ErrorCode.TOOL_ERROR, f"A file of this run is gone. {error.detail}")
        except Exception as error:
            if not is_away(error):
                raise
            rests = await self._run.timer_waits()
            if not rests:
                self._run.emit(events.Error(code="files_away", detail=_words(error), will_retry=True))
            await self._run.wait(kind=WaitKind.TIMER, start_at=self._run.now() + backoff(rests))

    @asynccontextmanager
    async def slot(self, spec: ToolSpec) -> AsyncIterator[None]:
        """Hold a thread for the next call, if it needs one. Hands the run over if the worker stops meanwhile."""
        slots = self._slots_for(spec)
        if slots is None:
            yield
            return
        acquired = asyncio.ensure_future(slots.acquire())
        drained = asyncio.ensure_future(self._ports.draining.wait())
        try:
            await asyncio.wait({acquired, drained}, return_when=asyncio.FIRST_COMPLETED)
            if self._ports.draining.is_set():
                await self._run.hand_over()
            yield
        finally:
            drained.cancel()
            acquired.cancel()
            if acquired.done() and not acquired.cancelled():
                self._give_back(slots)

    def _slots_for(self, spec: ToolSpec) -> asyncio.Semaphore | None:
        if spec.run_async is not None:
            return self._ports.async_slots
        return self._ports.slots if spec.needs_thread else None

    def _give_back(self, slots: asyncio.Semaphore) -> None:
        """Release the slot when its work is over, which may be long after the call was given up."""

        def release(done: asyncio.Future[ToolResult]) -> None:
            if not done.cancelled():
                done.exception()  # marks the exception as retrieved; the call was given up already
            slots.release()

        if self._work is None:
            slots.release()
        else:
            self._work.add_done_callback(release)

    # ---- The call

    async def call(self, spec: ToolSpec, step: StepWrite) -> ToolResult:
        """Return the result.

        Raises OutcomeUnknown for a call that may have had its effect, TryAgain for one that cannot begin.
        """
        delay, end = 0.2, time.monotonic() + PATIENCE_S
        while True:
            self._in_flight = InFlight(spec, self._run.lease)
            try:
                if spec.run_async is not None or spec.needs_thread:
                    return await self._watch(self._in_flight, step)
                return self._carry_out(self._in_flight, step, self._note)
            except CallAbandoned:
                # The next heartbeat renews the lease, or ends this task if another owner has the run.
                await asyncio.sleep(TELL_EVERY_S)
            except TryAgain as error:
                if time.monotonic() + delay > end or self._ports.draining.is_set():
                    raise
                log.warning("tool %s of run %s, again in %.1f s: %s", spec.name, self._run.id, delay, error)
                await asyncio.sleep(delay)
                delay *= 2

    async def wait_until_it_can_begin(self, spec: ToolSpec, error: TryAgain) -> ToolResult:
        """Wait without a worker (Released), because nothing was touched.

        After MOST_WAITS return an error for the model.
        """
        waits = await self._run.timer_waits()
        if waits >= MOST_WAITS:
            return ToolResult(content=f"{error} Go on without it, or say so.", summary=str(error), is_error=True)
        if not waits:
            self._run.emit(events.Error(code="tool_away", detail=str(error), will_retry=True))
        await self._run.wait(kind=WaitKind.TIMER, start_at=self._run.now() + backoff(waits))

    async def _watch(self, call: InFlight, step: StepWrite) -> ToolResult:
        work: asyncio.Future[Any] = self._start(call, step)
        self._work = work
        asked = asyncio.ensure_future(call.was_asked.wait())
        try:
            while not work.done():
                left = call.left_s()
                if left <= 0:
                    return self._given_up(call, step)
                await asyncio.wait({work, asked}, timeout=min(TELL_EVERY_S, left), return_when=asyncio.FIRST_COMPLETED)
                if call.asked and not call.asked.done():
                    await self._commit_effect(call, step)
                    asked = asyncio.ensure_future(call.was_asked.wait())
                elif self._run.pending.events and not work.done():
                    await self._run.flush()
            result: ToolResult = work.result()
            return result
        finally:
            asked.cancel()
            call.end()
            if call.spec.run_async is not None:
                work.cancel()  # a thread cannot be cancelled: it looks at `cancelled` itself

    def _start(self, call: InFlight, step: StepWrite) -> asyncio.Future[ToolResult]:
        """Start the call on the loop or on a thread."""
        if call.spec.run_async is not None:
            return asyncio.ensure_future(self._carry_out_async(call, step))
        blocking = partial(self._carry_out, call, step, self._report)
        return asyncio.ensure_future(self._on(self._ports.tools, blocking))

    async def _commit_effect(self, call: InFlight, step: StepWrite) -> None:
        """Commit that the outside may be touched from now on, then let the tool proceed.

        The commit does not count against its time.
        """
        started = time.monotonic()
        step.effect_began = True
        self._run.write_step(step)
        await self._run.flush()
        call.began_at = (call.began_at or started) + time.monotonic() - started
        call.was_asked.clear()
        if call.asked and not call.asked.done():
            call.asked.set_result(None)

    def _given_up(self, call: InFlight, step: StepWrite) -> ToolResult:
        call.is_cancelled = True
        text = f"{call.spec.title} did not finish within {call.spec.timeout_s:g} s and was given up."
        if call.spec.effect == Effect.EFFECTFUL and step.effect_began:
            raise OutcomeUnknown(text)
        if call.spec.effect == Effect.EFFECTFUL:
            text += " Nothing outside was changed."
        return ToolResult(content=text, summary=text, is_error=True)

    def _begin_effect(self, call: InFlight) -> None:
        """Block the tool's thread until the beginning of the effect is committed.

        Raises CallAbandoned if the run is no longer ours.
        """
        if not call.spec.needs_thread:
            raise RuntimeError(f"{call.spec.name} begins an effect, so it needs a thread")
        done: Future[None] = Future()
        self._loop.call_soon_threadsafe(call.ask, done)
        done.result()
        call.check()

    def _carry_out(self, call: InFlight, step: StepWrite, report: Callable[[events.Event], None]) -> ToolResult:
        run = self._run
        memory = None
        if run.row["memory_enabled"]:
            memory = AgentMemory(agent_id=run.row["agent_id"], team_id=run.row["team_id"], run_id=run.id)
        context = ToolContext(
            run_id=str(run.id),
            team_id=str(run.row["team_id"]),
            idempotency_key=run.step_key(step.index),
            workspace=self.workspace.path,
            memory=memory,
            reporter=_Reporter(report),
            cancelled=lambda: call.is_cancelled,
            allowed_hosts=run.allowed_hosts,
            begin_effect=partial(self._begin_effect, call),
        )
        call.begin()
        return run_tool(call.spec, context, step.request)

    async def _begin_effect_async(self, call: InFlight) -> None:
        """Wait until the beginning of the effect is committed. Raises CallAbandoned if the run is no longer ours."""
        done: Future[None] = Future()
        call.ask(done)
        await asyncio.wrap_future(done)
        call.check()

    async def _carry_out_async(self, call: InFlight, step: StepWrite) -> ToolResult:
        run = self._run
        context = AsyncToolContext(
            run_id=str(run.id),
            team_id=str(run.row["team_id"]),
            idempotency_key=run.step_key(step.index),
            workspace=self.workspace.path,
            reporter=_Reporter(self._note),
            cancelled=lambda: call.is_cancelled or call.is_over,
            allowed_hosts=run.allowed_hosts,
            begin_effect=partial(self._begin_effect_async, call),
        )
        call.begin()
        return await run_tool_async(call.spec, context, step.request)

    # ---- After

    async def save(self) -> tuple[list[Saved], str]:
        """Store the files that the call wrote. Return them, and a sentence about those that were refused."""
        if not self.workspace.is_begun:
            return [], ""
        try:
            saved = await self.retry_while_away(self.workspace.save_changes, on_first_failure=self._say_files_are_away)
            return saved, " ".join(self.workspace.take_refused())
        except WorkspaceFull as error:
            return [], f"{error} Delete or shrink files, then go on."

    async def _say_files_are_away(self, error: Exception) -> None:
        """Tell viewers that the run waits for the file store."""
        self._run.emit(events.Error(code="files_away", detail=_words(error), will_retry=True))
        await self._run.flush()

    async def retry_while_away(
        self,
        work: Callable[[], Any],
        *,
        give_up_after_s: float = float("inf"),
        on_first_failure: Callable[[Exception], Awaitable[None]] | None = None,
    ) -> Any:
        """Repeat work until no part of ours is away. The run's own time limit ends it, if nothing else does."""
        delay, end, has_failed = 0.2, time.monotonic() + give_up_after_s, False
        while True:
            try:
                return await self._on(self._ports.files, work)
            except Exception as error:
                if not is_away(error) or time.monotonic() + delay > end:
                    raise
                log.warning("files of run %s, again in %.1f s: %s", self._run.id, delay, error)
                if on_first_failure and not has_failed:
                    await on_first_failure(error)
                has_failed = True
            await asyncio.sleep(delay)
            delay = min(delay * 2, LONGEST_GAP_S)

    async def _on(self, pool: Executor, work: Callable[[], Any]) -> Any:
        return await self._loop.run_in_executor(pool, _with_own_connection, work)

    # ---- Reports of the tool, from its thread

    def _report(self, event: events.Event) -> None:
        self._loop.call_soon_threadsafe(self._note, event)

    def _note(self, event: events.Event) -> None:
        self._run.emit(event)
        if isinstance(event, events.Progress):
            self._run.pending.progress = event.data()


class _Reporter:
    """Reporter that turns each call into an event of the next commit."""

    def __init__(self, report: Callable[[events.Event], None]) -> None:
        self._report = report

    def progress(self, *, done: float, total: float, label: str) -> None:
        self._report(events.Progress(done=done, total=total, label=label))

    def log(self, *, text: str) -> None:
        self._report(events.Log(text=text[:2000]))


def _words(error: Exception) -> str:
    """Return the error for people: errors of the operating system name paths of the server."""
    return DISK_FULL if is_disk_full(error) else str(error)


def _with_own_connection(work: Callable[[], Any]) -> Any:
    """Run the work, then close the thread's database connections."""
    try:
        return work()
    finally:
        connections.close_all()
