"""Periodic jobs of runs: due starts, expired requests, lost messages. `tasks/periodic.py` registers them.

Run every few seconds; they never drive a run. Due times are compared with the database's clock: the machine's may be
an hour wrong.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.db import transaction
from django.db.models.functions import Now

from accounts.errors import Conflict
from billing import services as ledger
from tasks import event_log, events, queue
from tasks.models import (
    TERMINAL,
    ErrorCode,
    HumanRequest,
    RequestStatus,
    Run,
    RunStatus,
    Step,
    StepKind,
    StepStatus,
    WaitKind,
)
from tasks.request_kinds import kind_of
from tasks.services import answers, outages
from tasks.services.approvers import require_approver_of

BATCH = 200
"""Rows that each job handles at once."""
ABANDONED_AFTER = timedelta(minutes=1)
"""Time for a worker that is still alive to write its result."""


def start_due_runs() -> None:
    """Start scheduled runs that are due, and resume runs whose timer is over."""
    due = Run.objects.filter(status=RunStatus.SCHEDULED, start_at__lte=Now()) | Run.objects.due(WaitKind.TIMER)
    for run in due.order_by("start_at")[:BATCH]:
        with transaction.atomic():
            rows = due.select_for_update(skip_locked=True, of=("self",)).select_related("agent__team", "version")
            locked = rows.filter(pk=run.pk).first()
            if locked and locked.status == RunStatus.SCHEDULED:
                _start_planned(locked)
            elif locked:
                _queue(locked, reason="timer")


def _start_planned(run: Run) -> None:
    """Queue the run, or fail it if nobody could approve its calls any more. People may have left or changed roles."""
    try:
        require_approver_of(run, starter=run.created_by)
    except Conflict as error:
        why = f"It did not start. {error.detail}"
        run.move_to(RunStatus.FAILED, error_code=ErrorCode.NO_APPROVER, error_detail=why)
        ended = events.RunFinished(status="failed", error_code=ErrorCode.NO_APPROVER, error_detail=why)
        event_log.append(run, ended)
    else:
        _queue(run, reason="scheduled")


def _queue(run: Run, *, reason: str) -> None:
    run.move_to(RunStatus.QUEUED)
    event_log.append(run, events.RunQueued(reason=reason))
    queue.enqueue_run(run.pk)


def resume_after_outages() -> None:
    """Resume runs that wait for a model."""
    outages.resume_runs(limit=BATCH)


def resume_within_budget() -> None:
    """Resume runs that fit their budget again. Runs before the notifications, so that none is sent needlessly."""
    answers.resume_within_budget(limit=BATCH)


def expire_requests() -> None:
    """Expire requests that nobody answered in time. Their runs continue, and the agent is told."""
    late = HumanRequest.objects.open().filter(expires_at__lte=Now())
    for asked in late.order_by("expires_at")[:BATCH]:
        with transaction.atomic():
            run = Run.objects.select_for_update().get(pk=asked.run_id)
            if not late.select_for_update(of=("self",)).filter(pk=asked.pk).update(status=RequestStatus.EXPIRED):
                continue
            event_log.append(run, events.HumanExpired(request=str(asked.pk), kind=asked.kind))
            if run.status == RunStatus.WAITING and not kind_of(asked).ends_run:
                run.move_to(RunStatus.QUEUED)
                event_log.append(run, events.RunQueued(reason="answered"))
                queue.enqueue_run(run.pk)


def expire_queued_runs() -> None:
    """Expire queued runs that no worker claimed in time."""
    late = Run.objects.filter(status=RunStatus.QUEUED, started_at__isnull=True, queue_expires_at__lte=Now())
    for run in late.order_by("queue_expires_at")[:BATCH]:
        with transaction.atomic():
            locked = late.select_for_update(skip_locked=True, of=("self",)).filter(pk=run.pk).first()
            if locked:
                locked.move_to(RunStatus.EXPIRED)
                event_log.append(locked, events.RunFinished(status="expired", summary="No worker took it in time."))


def settle_abandoned_calls() -> None:
    """Settle model calls of runs that ended without their worker. Writes a ledger row and releases the reservation."""
    quiet = Now() - ABANDONED_AFTER
    left = Step.objects.filter(
        kind=StepKind.MODEL, status=StepStatus.INTENT, run__status__in=TERMINAL, run__finished_at__lt=quiet
    )
    for step in left.select_related("run__agent")[:BATCH]:
        settle_abandoned_call(step)


@transaction.atomic
def settle_abandoned_call(step: Step) -> None:
    """Settle one abandoned call. A run that was continued meanwhile is left to its new owner."""
    run = step.run
    if not Run.objects.select_for_update().filter(pk=run.pk, status__in=TERMINAL).exists():
        return
    if not Step.objects.filter(pk=step.pk, status=StepStatus.INTENT).update(status=StepStatus.UNKNOWN):
        return
    ledger.settle_abandoned_call(
        team_id=run.team_id,
        run_id=run.pk,
        step_key=f"{step.run_id}:{step.index}:{step.attempt}",
        agent_id=run.agent_id,
        agent_label=run.agent.name,
        task_id=run.task_id,
        model=step.request.get("model", ""),
        worst_usd=Decimal(step.request.get("worst_usd", "0")),
    )


def wake_workers() -> None:
    """Send a wake-up if a run waits for a worker, because messages get lost. Which run it names does not matter."""
    late = Now() - timedelta(seconds=3)
    waits = Run.objects.filter(status=RunStatus.QUEUED, queued_at__lt=late).exists() or Run.objects.stalled().exists()
    if waits:
        queue.wake_run(uuid4())
