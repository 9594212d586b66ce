"""Claimed run: its state while this process owns it, and the writes pending for the next commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, NoReturn, Protocol
from uuid import UUID

from psycopg.rows import DictRow

from accounts import strict_json
from agents.runtimes import get_runtime
from agents.runtimes.base import Runtime
from agents.services.consent import stricter_policies
from tasks import events
from tasks.engine import lease
from tasks.engine.commits import (
    ArtifactWrite,
    Commit,
    Committed,
    InputReason,
    RequestWrite,
    Reserve,
    Settle,
    StepWrite,
    UnreadMessage,
    UsageWrite,
)
from tasks.engine.lease import Lease
from tasks.engine.recordings import Recordings
from tasks.models import ErrorCode, RequestKind, RequestStatus, StepKind, StepStatus
from tools.catalog import Catalog

NEWS_S = 1.0
"""Seconds without a commit after which the table is asked for messages. Each commit also reports them."""


class Released(Exception):
    """End of this worker's loop: the run waits, is in review, was handed over or is finished."""


class JournalPort(Protocol):
    """Interface of the journal that one run needs."""

    def commit(self, op: Commit) -> Coroutine[Any, Any, Committed]: ...
    async def late_usage(self, *, run_id: UUID, usage: UsageWrite) -> None: ...
    async def unread_messages(self, *, run_id: UUID, after: int) -> list[DictRow]: ...
    async def timer_waits(self, *, run_id: UUID) -> int: ...


@dataclass(slots=True)
class PendingWrites:
    """Writes for the next commit."""

    events: list[events.Event] = field(default_factory=list)
    steps: dict[int, StepWrite] = field(default_factory=dict)
    usage: list[UsageWrite] = field(default_factory=list)
    requests: list[RequestWrite] = field(default_factory=list)
    artifacts: dict[str, ArtifactWrite] = field(default_factory=dict)
    """Artifacts by path: of two versions of a file in one commit only the newest is written."""
    settle: list[Settle] = field(default_factory=list)
    progress: dict[str, Any] | None = None
    turns: int = 0

    def followed_by(self, later: PendingWrites) -> PendingWrites:
        return PendingWrites(
            events=self.events + later.events,
            steps=self.steps | later.steps,
            usage=self.usage + later.usage,
            requests=self.requests + later.requests,
            artifacts=self.artifacts | later.artifacts,
            settle=self.settle + later.settle,
            progress=later.progress or self.progress,
            turns=self.turns + later.turns,
        )


class ClaimedRun:
    """State of one claimed run. `row` is as sql.OWNED loads it."""

    def __init__(self, row: DictRow, journal: JournalPort, clock: Callable[[], float] = time.monotonic) -> None:
        self.row = row
        self.id: UUID = row["id"]
        self.epoch: int = row["epoch"]
        self.lease: Lease = row["lease"]
        self.recordings = Recordings(row)
        self.catalog = Catalog()
        """Tools of the run; `ToolCalls.load_catalog` adds those of its team."""
        self.steps: dict[int, StepWrite] = {
            s["index"]: StepWrite(**{k: v for k, v in s.items() if k != "run_id"}) for s in row["steps"]
        }
        self.requests: list[DictRow] = row["requests"]
        self.artifacts: dict[str, DictRow] = {a["path"]: a for a in row["artifacts"]}
        self.cost_usd: Decimal = row["cost_usd"]
        self.turns: int = row["turns"]
        self.last_message_seq: int = row["last_message_seq"]
        self.read_message_seq: int = max((s.request.get("said_seq", 0) for s in self.steps.values()), default=0)
        self.pending = PendingWrites()
        self._journal = journal
        self._commit_no = 0
        self._clock = clock
        self._counted_until = clock()
        self._loaded_at = lease.now()

    # ---- Reading

    @cached_property
    def runtime(self) -> Runtime:
        """Runtime, looked up while the run is driven: a missing one fails the run, not the worker."""
        return self.recordings.runtime() or get_runtime(self.row["runtime"])

    def now(self) -> datetime:
        """Return the time by the database's clock, which all share. The machine's own may be an hour wrong."""
        loaded: datetime = self.row["loaded_at"]
        return loaded + timedelta(seconds=lease.now() - self._loaded_at)

    @property
    def next_index(self) -> int:
        return max(self.steps, default=0) + 1

    def step_key(self, index: int) -> str:
        """Return the permanent name of a step: the idempotency key of its call."""
        return f"{self.id}:{index}"

    def call_key(self, index: int, attempt: int) -> str:
        """Return the permanent name of one attempt of a model call."""
        return f"{self.step_key(index)}:{attempt}"

    @property
    def circuit(self) -> tuple[str, str]:
        """Key of the circuit breaker for its model calls."""
        return self.row["runtime"], self.row["model"]

    def policy_of(self, tool: str) -> str | None:
        """Return the agent's policy for the tool, or None if the agent does not have the tool."""
        return self.policies.get(tool)

    @cached_property
    def policies(self) -> dict[str, str]:
        """Policy of each tool.

        A fork, and a continued run, uses the agent's present policy where it is stricter than its version's.
        """
        if self.row["tools_now"] is None:
            return {t["tool"]: t["policy"] for t in self.row["tools"]}
        return stricter_policies(self.row["tools"], self.row["tools_now"])

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Hosts that tools may reach; empty allows every public host.

        A fork, and a continued run, reaches no host that is closed to the agent today.
        """
        pinned, present = self.row["options"] or {}, self.row["options_now"] or {}
        return present.get("allowed_hosts") or pinned.get("allowed_hosts") or ()

    def requests_for(self, call_id: str, kind: str, *, after: int) -> list[DictRow]:
        """Return the requests of that kind about the tool call of step `after`, oldest first."""
        about = [q for q in self.requests if q["call_id"] == call_id and q["step_index"] > after]
        return [q for q in about if q["kind"] == kind]

    def request_for(self, call_id: str, kind: str, *, after: int) -> DictRow | None:
        """Return the newest request of that kind about the tool call; None if it must be asked (again)."""
        asked = next(reversed(self.requests_for(call_id, kind, after=after)), None)
        return None if asked is not None and self._is_stale(asked) else asked

    def _is_stale(self, asked: DictRow) -> bool:
        """Return True for an answer that is void, or expired and older than the run's continuation."""
        if asked["status"] == RequestStatus.VOID:
            return True
        is_old = asked["expires_at"] is not None and asked["expires_at"] < self.now()
        return is_old and asked["kind"] == RequestKind.APPROVAL and self.is_before_continued(asked)

    def is_before_continued(self, asked: DictRow) -> bool:
        """Return True if the request was answered before a person continued the failed run."""
        continued, answered = self.row["continued_at"], asked["answered_at"]
        return continued is not None and answered is not None and bool(answered < continued)

    def remaining_s(self) -> float:
        """Return the seconds of active time that are left."""
        used = float(self.row["active_s"] - self.row["active_s_before"]) + self._clock() - self._counted_until
        return max(0.0, float(self.row["timeout_s"]) - used)

    async def read_messages(self) -> None:
        """Add unread messages of people as steps, so that the model reads them next. They may be a second late."""
        if self.recordings.is_replay:
            self._replay_messages()
            return
        if self.last_message_seq <= self.read_message_seq and self._clock() - self._counted_until < NEWS_S:
            return
        for said in await self._journal.unread_messages(run_id=self.id, after=self.read_message_seq):
            text = f"A message from {said['by'] or 'a person'}: {said['text']}"
            request = {"text": text, "said_seq": said["seq"]}
            step = StepWrite(index=self.next_index, kind=StepKind.INPUT, status=StepStatus.DONE, request=request)
            self.write_step(step)
            self.last_message_seq = self.read_message_seq = said["seq"]

    async def timer_waits(self) -> int:
        """Return the number of timed waits since the last settled step, under any owner."""
        if any(step.status != StepStatus.INTENT for step in self.pending.steps.values()):
            return 0
        return await self._journal.timer_waits(run_id=self.id)

    def _replay_messages(self) -> None:
        """Add the messages that were recorded at this place of the replayed run."""
        while said := self.recordings.said_at(self.next_index - 1):
            index = self.next_index
            request = {key: said[key] for key in ("text", "reason") if key in said}
            self.write_step(StepWrite(index=index, kind=StepKind.INPUT, status=StepStatus.DONE, request=request))
            if said["message"]:
                self.emit(events.Message(step=index, role="person", **said["message"]))

    # ---- Pending writes

    def emit(self, *what: events.Event) -> None:
        self.pending.events.extend(what)

    def write_step(self, step: StepWrite) -> None:
        """Store the step, to be written with the next commit. Memory holds it as the database will return it."""
        step.request, step.result = strict_json.storable(step.request), strict_json.storable(step.result)
        step.spec = strict_json.storable(step.spec)
        self.steps[step.index] = step
        self.pending.steps[step.index] = step

    def charge(self, usage: UsageWrite, settle_key: str) -> None:
        """Record usage and settle its reservation with the next commit."""
        self.pending.usage.append(usage)
        paid = usage.cost_usd if usage.outcome == "charged" else Decimal(0)
        self.pending.settle.append(Settle(key=settle_key, cost_usd=paid))
        self.cost_usd += paid

    # ---- Writing

    async def flush(self, *, reserve: Reserve | None = None, **changes: Any) -> None:
        """Commit the pending writes. After BudgetRefused or LeaseLost they are all still pending."""
        now = self._clock()
        pending, self.pending = self.pending, PendingWrites()
        op = Commit(
            run_id=self.id,
            epoch=self.epoch,
            commit_no=self._commit_no + 1,
            events=pending.events,
            steps=pending.steps,
            usage=pending.usage,
            requests=pending.requests,
            artifacts=list(pending.artifacts.values()),
            settle=pending.settle,
            progress=pending.progress,
            turns=pending.turns,
            reserve=reserve,
            active_s=now - self._counted_until,
            **changes,
        )
        try:
            committed, was_cancelled = await _await_commit(self._journal.commit(op))
        except Exception:
            self.pending = pending.followed_by(self.pending)
            raise
        self._commit_no += 1
        self.row["active_s"] += now - self._counted_until
        self._counted_until = now
        self.last_message_seq = max(self.last_message_seq, committed.last_message_seq)
        for scope, spent, limit in committed.warnings:
            self.emit(events.BudgetWarning(scope=scope, spent_usd=f"{spent:.6f}", limit_usd=f"{limit:.6f}"))
        if was_cancelled:
            raise asyncio.CancelledError

    def forget_unwritable(self) -> None:
        """Drop the pending writes after the database refused them, except usage and settlements."""
        before = self.pending
        self.pending = PendingWrites(usage=before.usage, settle=before.settle, turns=before.turns)

    async def write_late_usage(self) -> None:
        """Write usage that this owner may no longer charge, as free."""
        for usage in self.pending.usage:
            if usage.outcome == "charged":
                usage.outcome = "free"
            await self._journal.late_usage(run_id=self.id, usage=usage)

    # ---- Leaving: each of these commits and ends the loop

    async def wait(
        self,
        *,
        kind: str,
        request: RequestWrite | None = None,
        start_at: datetime | None = None,
        until: datetime | None = None,
        detail: str = "",
    ) -> NoReturn:
        """Wait for a person or for a time without holding a worker.

        Ends the loop by raising Released. `start_at` is the earliest resumption. `until` is the time shown to people,
        if it is later.
        """
        if request is not None:
            self.pending.requests.append(request)
            self.emit(
                events.HumanRequested(
                    request=str(request.id),
                    kind=request.kind,
                    title=request.title,
                    prompt=request.prompt,
                    tool=request.tool,
                    arguments=request.arguments,
                    choices=request.choices,
                    digest=request.digest,
                    expires_at=request.expires_at.isoformat() if request.expires_at else None,
                )
            )
        shown = until or start_at
        told = events.RunWaiting(
            kind=kind,
            request=str(request.id) if request else None,
            until=shown.isoformat() if shown else None,
            detail=detail,
        )
        self.emit(told)
        await self.flush(status="waiting", waiting_kind=kind, start_at=start_at)
        raise Released

    async def hand_over(self) -> NoReturn:
        """Return the run to the queue at a step boundary. Raises Released."""
        self.emit(events.RunQueued(reason="handover"))
        await self.flush(status="queued")
        raise Released

    async def fail(self, code: ErrorCode, detail: str) -> NoReturn:
        self.emit(self._end("failed", error_code=code, error_detail=detail))
        await self.flush(status="failed", error_code=code, error_detail=detail)
        raise Released

    async def succeed(self, output: Any, summary: str) -> None:
        await self._conclude(self._end("succeeded", summary=summary), status="succeeded", output=output)

    async def submit_for_review(self, output: Any, request: RequestWrite) -> None:
        told = events.RunNeedsReview(request=str(request.id))
        await self._conclude(told, request, status="needs_review", output=output)

    async def give_up(self, detail: str) -> None:
        """Fail because the model says that the work cannot be done."""
        code = ErrorCode.NO_RESULT
        told = self._end("failed", error_code=code, error_detail=detail)
        await self._conclude(told, status="failed", error_code=code, error_detail=detail)

    async def _conclude(self, told: events.Event, request: RequestWrite | None = None, **changes: Any) -> None:
        """Commit the last writes and raise Released.

        If a message is unread, write nothing and return: the run goes on.
        """
        before = self.pending
        self.pending = before.followed_by(PendingWrites(events=[told], requests=[request] if request else []))
        try:
            await self.flush(read_message_seq=self.read_message_seq, **changes)
        except UnreadMessage:
            self.pending = before
            self.last_message_seq = self.read_message_seq + 1
            return
        raise Released

    def _end(self, status: str, **also: str) -> events.RunFinished:
        active = float(self.row["active_s"]) + self._clock() - self._counted_until
        return events.RunFinished(status=status, cost_usd=f"{self.cost_usd:.6f}", active_s=round(active, 3), **also)

    def ask_model(self, text: str, reason: InputReason) -> None:
        """Add an input of the engine itself."""
        request = {"text": text, "reason": reason}
        step = StepWrite(index=self.next_index, kind=StepKind.INPUT, status=StepStatus.DONE, request=request)
        self.write_step(step)

    def asked_since_continued(self, reason: InputReason) -> int:
        """Return how often the model was asked for this reason since the run was last continued."""
        since: int = self.row["continued_at_step"]
        inputs = (s for s in self.steps.values() if s.kind == StepKind.INPUT and s.index > since)
        return sum(1 for step in inputs if step.request.get("reason") == reason)

    def settled(self) -> Sequence[StepWrite]:
        """Return the settled steps, in order."""
        return [self.steps[i] for i in sorted(self.steps) if self.steps[i].status != StepStatus.INTENT]


async def _await_commit(commit: Coroutine[Any, Any, Committed]) -> tuple[Committed, bool]:
    """Await the commit even if this task is cancelled.

    Return (result, was_cancelled). A write in progress cannot be called back. An abandoned one would fence off the
    next write, which ends the run, and its usage would be recorded twice: as charged and as late.
    """
    writing, was_cancelled = asyncio.ensure_future(commit), False
    while not writing.done():
        try:
            await asyncio.wait({writing})
        except asyncio.CancelledError:
            was_cancelled = True
    return writing.result(), was_cancelled
