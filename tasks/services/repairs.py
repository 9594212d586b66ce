"""Detection and repair of stuck runs, for operators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Subquery
from django.db.models.functions import Now
from django.utils.timesince import timesince

from accounts import audit
from accounts.errors import Conflict
from accounts.models import User
from tasks import event_log, events, queue
from tasks.models import WAITS_BY_ITSELF, HumanRequest, Run, RunEvent, RunStatus
from tasks.services import outages
from tasks.services.runs import requeue_run

UNCLAIMED_AFTER = timedelta(seconds=60)
"""Time in the queue after which a run counts as stuck."""
OVERDUE_AFTER = timedelta(seconds=60)
"""Delay of a due start after which a run counts as stuck."""
SILENT_AFTER = timedelta(minutes=20)
"""Time without an event after which a running run counts as stuck."""
MANY_RECOVERIES = 3
"""Recoveries from which the report mentions them."""
LET_GO = datetime.fromtimestamp(0, UTC)
"""Lease end that marks a run which its worker released in the middle of a step (`tasks/engine/sql.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    run: Run
    why: str
    repair: str
    """Action of `repair_run`, as the label of a button."""


def stuck_runs(*, limit: int = 100) -> list[Stuck]:
    """Return the runs that need an operator, those that lost their worker first."""
    found = [*_lost(), *_unclaimed(), *_overdue(), *_waiting_unasked(), *_silent()]
    return found[:limit]


@transaction.atomic
def repair_run(*, run: Run, actor: User) -> Run:
    """Repair a run of this state. Settled work is never repeated. Raises Conflict if nothing helps."""
    run = Run.objects.select_for_update(of=("self",)).select_related("team").get(pk=run.pk)
    if run.status == RunStatus.RUNNING:
        return requeue_run(run=run, actor=actor)
    if run.status == RunStatus.QUEUED:
        queue.enqueue_run(run.pk)
        audit.record(team=run.team, actor=actor, action="run.woken", target=run)
        return run
    if run.status not in (RunStatus.WAITING, RunStatus.SCHEDULED):
        raise Conflict(f"A run that is {run.get_status_display().lower()} needs no repair.")
    if HumanRequest.objects.open().filter(run=run).exists():
        raise Conflict("The run waits for a person; only an answer or a cancel helps.")
    run.move_to(RunStatus.QUEUED)
    event_log.append(run, events.RunQueued(reason="requeued"))
    audit.record(team=run.team, actor=actor, action="run.requeued", target=run)
    queue.enqueue_run(run.pk)
    return run


def _runs(**state: object) -> Any:
    """Return the runs with `now` by the database's clock, by which leases are held and lost."""
    runs = Run.objects.filter(**state).annotate(now=Now())
    return runs.select_related("team", "agent").order_by("status_changed_at")


def _lost() -> Iterator[Stuck]:
    late = Now() - timedelta(seconds=settings.ENGINE["lease_s"] / 2)
    just_let_go = Q(lease_expires_at=LET_GO, status_changed_at__gte=late)
    for run in _runs(status=RunStatus.RUNNING, lease_expires_at__lt=late).exclude(just_let_go)[:100]:
        ended = run.lease_expires_at
        was_let_go = ended == LET_GO
        since = _since(run.status_changed_at if was_let_go else ended, run.now)
        gone = f"was stopped {since} ago" if was_let_go else f"stopped renewing the lease {since} ago"
        often = f" It was recovered {run.recoveries} times before." if run.recoveries >= MANY_RECOVERIES else ""
        why = f"Its worker {run.worker} {gone}, and no other has taken over.{often}"
        yield Stuck(run=run, why=why, repair="Hand it to another worker")


def _unclaimed() -> Iterator[Stuck]:
    for run in _runs(status=RunStatus.QUEUED, queued_at__lt=Now() - UNCLAIMED_AFTER)[:100]:
        since = _since(run.queued_at, run.now)
        why = f"It has waited for a worker for {since}: all are busy, none is alive, or a limit holds."
        yield Stuck(run=run, why=why, repair="Wake a worker")


def _overdue() -> Iterator[Stuck]:
    """Yield overdue runs, except those whose model is away, which wait for it at any time."""
    due = Q(status=RunStatus.SCHEDULED) | Q(status=RunStatus.WAITING, waiting_kind__in=WAITS_BY_ITSELF)
    late: Any = outages.without_away(_runs(start_at__lt=Now() - OVERDUE_AFTER).filter(due))
    for run in late[:100]:
        why = f"It was due {_since(run.start_at, run.now)} ago, and the clock did not start it."
        yield Stuck(run=run, why=why, repair="Start it now")


def _waiting_unasked() -> Iterator[Stuck]:
    asked = HumanRequest.objects.open().filter(run=OuterRef("pk"))
    for run in _runs(status=RunStatus.WAITING).exclude(waiting_kind__in=WAITS_BY_ITSELF).filter(~Exists(asked))[:100]:
        yield Stuck(run=run, why="It waits for an answer, but nothing is asked.", repair="Let it go on")


def _silent() -> Iterator[Stuck]:
    last = RunEvent.objects.filter(run=OuterRef("pk"), seq=OuterRef("last_seq")).values("at")[:1]
    alive = _runs(status=RunStatus.RUNNING, lease_expires_at__gte=Now())
    for run in alive.annotate(last_at=Subquery(last)).filter(last_at__lt=Now() - SILENT_AFTER)[:100]:
        why = f"Its worker {run.worker} is alive, but nothing has happened for {timesince(run.last_at, run.now)}."
        yield Stuck(run=run, why=why, repair="Hand it to another worker")


def _since(then: datetime | None, now: datetime) -> str:
    return timesince(then or now, now)
