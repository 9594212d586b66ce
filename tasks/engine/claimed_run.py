"""One run while this process owns it: what is known of it, and what is pending to be written with the next commit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol
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
"""Each commit answers whether somebody spoke. After so long without one the table is asked."""


class Released(Exception):
    """The run has left this worker: it waits, is in review, was handed over or is finished. Ends the loop."""


class JournalPort(Protocol):
    """The part of the journal that one run needs."""

    def commit(self, op: Commit) -> Coroutine[Any, Any, Committed]: ...
    async def late_usage(self, *, run_id: UUID, usage: UsageWrite) -> None: ...
    async def unread_messages(self, *, run_id: UUID, after: int) -> list[DictRow]: ...
    async def timer_waits(self, *, run_id: UUID) -> int: ...


@dataclass(slots=True)
class PendingWrites:
    """What the next commit will write."""

    events: list[events.Event] = field(default_factory=list)
    steps: dict[int, StepWrite] = field(default_factory=dict)
    usage: list[UsageWrite] = field(default_factory=list)
    requests: list[RequestWrite] = field(default_factory=list)
    artifacts: dict[str, ArtifactWrite] = field(default_factory=dict)
    """By path: two versions of one file in one commit are its newest."""
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
    """The state of one claimed run. `row` is as sql.OWNED loads it."""

    def __init__(self, row: DictRow, journal: JournalPort, clock: Callable[[], float] = time.monotonic) -> None:
        self.row = row
        self.id: UUID = row["id"]
        self.epoch: int = row["epoch"]
        self.lease: Lease = row["lease"]
        self.recordings = Recordings(row)
        self.catalog = Catalog()
        """The tools of the run; `ToolCalls.load_catalog` adds those of its team."""
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
        """Asked for while the run is driven: one that this worker does not have fails the run, not the worker."""
        return self.recordings.runtime() or get_runtime(self.row["runtime"])

    def now(self) -> datetime:
        """By the clock of the database, which all share. This machine's own may be an hour wrong."""
        loaded: datetime = self.row["loaded_at"]
        return loaded + timedelta(seconds=lease.now() - self._loaded_at)

    @property
    def next_index(self) -> int:
        return max(self.steps, default=0) + 1

    def step_key(self, index: int) -> str:
        """Names a step for ever: the idempotency key of its call."""
        return f"{self.id}:{index}"

    def call_key(self, index: int, attempt: int) -> str:
        """Names one attempt of a model call for ever."""
        return f"{self.step_key(index)}:{attempt}"

    @property
    def circuit(self) -> tuple[str, str]:
        """The circuit breaker that its model calls pass."""
        return self.row["runtime"], self.row["model"]

    def policy_of(self, tool: str) -> str | None:
        """The agent's policy for the tool, or None when it does not have the tool."""
        return self.policies.get(tool)

    @cached_property
    def policies(self) -> dict[str, str]:
        """The policy for each tool. A fork, and a run that was continued, takes the agent's present one where that is
        stricter than its version's.
        """
        if self.row["tools_now"] is None:
            return {t["tool"]: t["policy"] for t in self.row["tools"]}
        return stricter_policies(self.row["tools"], self.row["tools_now"])

    @property
    def allowed_hosts(self) -> Sequence[str]:
        """Where tools may reach; empty: any public host. A fork, or a run that was continued, reaches nothing that is
        closed to the agent today.
        """
        pinned, present = self.row["options"] or {}, self.row["options_now"] or {}
        return present.get("allowed_hosts") or pinned.get("allowed_hosts") or ()

    def requests_for(self, call_id: str, kind: str, *, after: int) -> list[DictRow]:
        """The requests of that kind about the tool call that was asked for at step `after`, oldest first."""
        about = [q for q in self.requests if q["call_id"] == call_id and q["step_index"] > after]
        return [q for q in about if q["kind"] == kind]

    def request_for(self, call_id: str, kind: str, *, after: int) -> DictRow | None:
        """The newest request of that kind about the tool call; None where it has to be asked (again)."""
        asked = next(reversed(self.requests_for(call_id, kind, after=after)), None)
        return None if asked is not None and self._is_stale(asked) else asked

    def _is_stale(self, asked: DictRow) -> bool:
        """An answer that was given before the run failed, and that would be followed after its time."""
        if asked["status"] == RequestStatus.VOID:
            return True
        is_old = asked["expires_at"] is not None and asked["expires_at"] < self.now()
        return is_old and asked["kind"] == RequestKind.APPROVAL and self.is_before_continued(asked)

    def is_before_continued(self, asked: DictRow) -> bool:
        """Whether the request was answered before a person took the failed run up again."""
        continued, answered = self.row["continued_at"], asked["answered_at"]
        return continued is not None and answered is not None and bool(answered < continued)

    def remaining_s(self) -> float:
        """Active time that is left."""
        used = float(self.row["active_s"] - self.row["active_s_before"]) + self._clock() - self._counted_until
        return max(0.0, float(self.row["timeout_s"]) - used)

    async def read_messages(self) -> None:
        """Take in what people have said since, so that the model reads it next. News is a second old at most."""
        if self.recordings.is_replay:
            self._hear_again()
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
        """How often the run has waited for a time since its last settled step, whoever owned it then."""
        if any(step.status != StepStatus.INTENT for step in self.pending.steps.values()):
            return 0
        return await self._journal.timer_waits(run_id=self.id)

    def _hear_again(self) -> None:
        """Take in what was said at this place of the run that is replayed."""
        while said := self.recordings.said_at(self.next_index - 1):
            index = self.next_index
            self.write_step(
                StepWrite(index=index, kind=StepKind.INPUT, status=StepStatus.DONE, request={"text": said["text"]})
            )
            if said["message"]:
                self.emit(events.Message(step=index, role="person", **said["message"]))

    # ---- Gathering

    def emit(self, *what: events.Event) -> None:
        self.pending.events.extend(what)

    def write_step(self, step: StepWrite) -> None:
        """Keep the step, in memory as the database will give it back."""
        step.request, step.result = strict_json.storable(step.request), strict_json.storable(step.result)
        self.steps[step.index] = step
        self.pending.steps[step.index] = step

    def charge(self, usage: UsageWrite, settle_key: str) -> None:
        """Note usage and free its reservation."""
        self.pending.usage.append(usage)
        paid = usage.cost_usd if usage.outcome == "charged" else Decimal(0)
        self.pending.settle.append(Settle(key=settle_key, cost_usd=paid))
        self.cost_usd += paid

    # ---- Writing

    async def flush(self, *, reserve: Reserve | None = None, **changes: Any) -> None:
        """Commit what was pending. After BudgetRefused or LeaseLost it is all still pending."""
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
            committed, was_cancelled = await _certainly(self._journal.commit(op))
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
        """After a write that the database refuses: keep what was paid and what is to be freed, leave out the rest."""
        before = self.pending
        self.pending = PendingWrites(usage=before.usage, settle=before.settle, turns=before.turns)

    async def write_late_usage(self) -> None:
        """What was used but may not be written by this owner any more; nobody pays for it."""
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
    ) -> None:
        """Wait for a person or for a time; holds no worker meanwhile.

        `start_at`: not before then. `until` is what people read, where that is known to be later.
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

    async def hand_over(self) -> None:
        """Give the run back to the queue at a step boundary."""
        self.emit(events.RunQueued(reason="handover"))
        await self.flush(status="queued")
        raise Released

    async def fail(self, code: ErrorCode, detail: str) -> None:
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
        """The last write, unless a person has said something that the model has not read. Then the run goes on."""
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

    def inputs_since_continued(self, text: str) -> int:
        """How often the model was told something that begins like this since the run was last continued."""
        since: int = self.row["continued_at_step"]
        told = (s for s in self.steps.values() if s.kind == StepKind.INPUT and s.index > since)
        return sum(1 for step in told if step.request["text"].startswith(text))

    def settled(self) -> Sequence[StepWrite]:
        """The steps that are over, in order."""
        return [self.steps[i] for i in sorted(self.steps) if self.steps[i].status != StepStatus.INTENT]


async def _certainly(commit: Coroutine[Any, Any, Committed]) -> tuple[Committed, bool]:
    """What came of the write, and whether this task was cancelled meanwhile.

    A write that is on its way cannot be called back. Left alone it would fence off the next one, which says how the run
    ends, and its usage would be noted twice: once as charged and once as late.
    """
    writing, was_cancelled = asyncio.ensure_future(commit), False
    while not writing.done():
        try:
            await asyncio.wait({writing})
        except asyncio.CancelledError:
            was_cancelled = True
    return writing.result(), was_cancelled
