"""One tool call from its slot to its result: begun only while the run is ours, told to stop, given up in time."""

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
from tools.runner import is_away, run_tool
from tools.spec import Effect, ToolContext, ToolResult, ToolSpec

log = logging.getLogger(__name__)

GRACE_S = 2.0
TELL_EVERY_S = 0.25
PATIENCE_S = 10.0
BACKOFF_S, MAX_BACKOFF_S = 15.0, 60.0
"""How long a run whose files cannot be laid waits without a worker: twice as long each time."""
LONGEST_GAP_S = 30.0
"""Between two tries to do what may be done again."""
MOST_WAITS = 10
"""A tool that a part of ours keeps from beginning waits so many times in a row, then the model is told."""


def backoff(rests: int) -> timedelta:
    """A store may be away for days: no power of so many rests is a number that the machine knows."""
    return timedelta(seconds=min(BACKOFF_S * 2 ** min(rests, 9), MAX_BACKOFF_S))


@dataclass(slots=True)
class InFlight:
    """One call, mostly on a thread."""

    spec: ToolSpec
    lease: Lease
    is_cancelled: bool = False
    began_at: float | None = None
    is_over: bool = False
    """Nobody waits for it any more."""
    asked: Future[None] | None = None
    """The tool wants to begin its effect, on its thread, and waits until that is committed."""
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """Where the tool runs, as the last thing before it."""
        self.check()
        self.began_at = time.monotonic()

    def check(self) -> None:
        """CallAbandoned unless this worker may still touch the outside."""
        if self.is_cancelled or self.is_over or self.lease.is_over():
            raise CallAbandoned

    def ask(self, done: Future[None]) -> None:
        """On the engine's loop: have the beginning of the effect committed."""
        if self.is_cancelled or self.is_over:
            done.set_exception(CallAbandoned())
            return
        self.asked = done
        self.was_asked.set()

    def end(self) -> None:
        """Let no effect begin from now on."""
        self.is_over = True
        if self.asked and not self.asked.done():
            self.asked.set_exception(CallAbandoned())

    def left_s(self) -> float:
        """Until it is given up."""
        waited = 0.0 if self.began_at is None else time.monotonic() - self.began_at
        return self.spec.timeout_s + GRACE_S - waited


class ToolExecutor:
    """Carries out the tool calls of one run, one at a time."""

    def __init__(self, run: ClaimedRun, ports: WorkerResources) -> None:
        self._run = run
        self._ports = ports
        self.workspace = Workspace(root=ports.workspaces, run=run.row)
        self._loop = asyncio.get_running_loop()
        self._in_flight: InFlight | None = None
        self._thread: asyncio.Future[ToolResult] | None = None

    def stop(self) -> None:
        """Tell the call in flight that nobody waits for it any more."""
        if self._in_flight:
            self._in_flight.is_cancelled = True

    async def clean_up(self) -> None:
        if self.workspace.is_begun:
            await self._on(self._ports.files, self.workspace.remove)

    # ---- Before

    async def prepare(self, spec: ToolSpec) -> None:
        """Lay the files. Where that is not possible for long, the run waits without a worker: nothing has begun yet."""
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
        """A thread for the next call, if it needs one. A worker that is told to stop meanwhile hands the run over."""
        if not spec.needs_thread:
            yield
            return
        acquired = asyncio.ensure_future(self._ports.slots.acquire())
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
                self._give_back()

    def _give_back(self) -> None:
        """The slot is free when its thread is, which may be long after the call was given up."""
        if self._thread is None:
            self._ports.slots.release()
        else:
            self._thread.add_done_callback(self._thread_is_free)

    def _thread_is_free(self, done: asyncio.Future[ToolResult]) -> None:
        if not done.cancelled():
            done.exception()  # somebody looked; whoever gave the call up has told its own story
        self._ports.slots.release()

    # ---- The call

    async def call(self, spec: ToolSpec, step: StepWrite) -> ToolResult:
        """The result; OutcomeUnknown for a call that may have had its effect, TryAgain for one that cannot begin."""
        delay, end = 0.2, time.monotonic() + PATIENCE_S
        while True:
            self._in_flight = InFlight(spec, self._run.lease)
            try:
                if spec.needs_thread:
                    return await self._watch(self._in_flight, step)
                return self._carry_out(self._in_flight, step, self._note)
            except CallAbandoned:
                # Ours again with the next heartbeat, or somebody else's: then the heartbeat ends this task.
                await asyncio.sleep(TELL_EVERY_S)
            except TryAgain as error:
                if time.monotonic() + delay > end or self._ports.draining.is_set():
                    raise
                log.warning("tool %s of run %s, again in %.1f s: %s", spec.name, self._run.id, delay, error)
                await asyncio.sleep(delay)
                delay *= 2

    async def wait_until_it_can_begin(self, spec: ToolSpec, error: TryAgain) -> ToolResult:
        """Wait without a worker: nothing was touched. Ends the loop, or answers with what the model is told."""
        waits = await self._run.timer_waits()
        if waits >= MOST_WAITS:
            return ToolResult(content=f"{error} Go on without it, or say so.", summary=str(error), is_error=True)
        if not waits:
            self._run.emit(events.Error(code="tool_away", detail=str(error), will_retry=True))
        await self._run.wait(kind=WaitKind.TIMER, start_at=self._run.now() + backoff(waits))
        raise AssertionError("wait() ends the loop")

    async def _watch(self, call: InFlight, step: StepWrite) -> ToolResult:
        blocking = partial(self._carry_out, call, step, self._report)
        work = self._thread = asyncio.ensure_future(self._on(self._ports.tools, blocking))
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
            return work.result()
        finally:
            asked.cancel()
            call.end()

    async def _commit_effect(self, call: InFlight, step: StepWrite) -> None:
        """Commit that the outside may be touched from now on, then let the tool do it. It takes none of its time."""
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
        """On the tool's thread: returns when the beginning of the effect is committed and the run is still ours."""
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

    # ---- After

    async def save(self) -> tuple[list[Saved], str]:
        """What the call wrote, safe in the object store; and what is wrong with it, as a sentence."""
        if not self.workspace.is_begun:
            return [], ""
        try:
            saved = await self.retry_while_away(self.workspace.save_changes, on_first_failure=self._say_files_are_away)
            return saved, " ".join(self.workspace.take_refused())
        except WorkspaceFull as error:
            return [], f"{error} Delete or shrink files, then go on."

    async def _say_files_are_away(self, error: Exception) -> None:
        """So that whoever watches knows what the run waits for."""
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

    # ---- The tool's voice, from its thread

    def _report(self, event: events.Event) -> None:
        self._loop.call_soon_threadsafe(self._note, event)

    def _note(self, event: events.Event) -> None:
        self._run.emit(event)
        if isinstance(event, events.Progress):
            self._run.pending.progress = event.data()


class _Reporter:
    """Each word becomes one event, written with the next commit."""

    def __init__(self, report: Callable[[events.Event], None]) -> None:
        self._report = report

    def progress(self, *, done: float, total: float, label: str) -> None:
        self._report(events.Progress(done=done, total=total, label=label))

    def log(self, *, text: str) -> None:
        self._report(events.Log(text=text[:2000]))


def _words(error: Exception) -> str:
    """What is away, for people: an error of the operating system names paths of the server."""
    return DISK_FULL if is_disk_full(error) else str(error)


def _with_own_connection(work: Callable[[], Any]) -> Any:
    """Threads of the pool give their database connection back after each piece of work."""
    try:
        return work()
    finally:
        connections.close_all()
