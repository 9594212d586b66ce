"""What time brings about: due starts, expired requests, lost messages. Run every few seconds; never drives a run.

What is due is asked by the clock of the database: that of the machine that sweeps may be an hour wrong.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

from django.core.cache import cache
from django.db import transaction
from django.db.models.functions import Now

from accounts import mail, notifications
from accounts.errors import Conflict
from accounts.models import IdempotencyRecord
from accounts.services import audit_chain
from billing import services as ledger
from storage import services as storage
from storage import uploads
from tasks import event_log, events, queue
from tasks.models import (
    TERMINAL,
    ErrorCode,
    HumanRequest,
    RequestKind,
    RequestStatus,
    Run,
    RunStatus,
    Step,
    StepKind,
    StepStatus,
    WaitKind,
)
from tasks.services import answers, notices, outages
from tasks.services.approvers import require_approver_of
from tasks.services.removals import stop_late_runs

log = logging.getLogger(__name__)

BATCH = 200
FILES_EVERY_S = 3600
ABANDONED_AFTER = timedelta(minutes=1)
"""Long enough for a worker that is still there to write what it knows."""


def sweep() -> list[str]:
    """One round; answers with the names of the parts that failed. Each part is safe to run twice at once."""
    failed = []
    for part in JOBS:
        try:
            part()
        except Exception:  # the others are due all the same
            log.exception("%s failed; the next round tries again", part.__name__)
            failed.append(part.__name__)
    return failed


def start_due_runs() -> None:
    """Scheduled starts, and runs that waited out a timer."""
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
    """Queue it, or end it if by now nobody could approve its calls: people have left or changed roles since."""
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
    """Runs that wait for a model."""
    outages.resume_runs(limit=BATCH)


def resume_within_budget() -> None:
    """Before anybody is told that they wait."""
    answers.resume_within_budget(limit=BATCH)


def expire_requests() -> None:
    """A request that nobody answered in time: the run goes on and the agent learns it."""
    late = HumanRequest.objects.open().filter(expires_at__lte=Now())
    for asked in late.order_by("expires_at")[:BATCH]:
        with transaction.atomic():
            run = Run.objects.select_for_update().get(pk=asked.run_id)
            if not late.select_for_update(of=("self",)).filter(pk=asked.pk).update(status=RequestStatus.EXPIRED):
                continue
            event_log.append(run, events.HumanExpired(request=str(asked.pk), kind=asked.kind))
            if run.status == RunStatus.WAITING and asked.kind != RequestKind.REVIEW:
                run.move_to(RunStatus.QUEUED)
                event_log.append(run, events.RunQueued(reason="answered"))
                queue.enqueue_run(run.pk)


def expire_queued_runs() -> None:
    """A run that no worker took before its time was over."""
    late = Run.objects.filter(status=RunStatus.QUEUED, started_at__isnull=True, queue_expires_at__lte=Now())
    for run in late.order_by("queue_expires_at")[:BATCH]:
        with transaction.atomic():
            locked = late.select_for_update(skip_locked=True, of=("self",)).filter(pk=run.pk).first()
            if locked:
                locked.move_to(RunStatus.EXPIRED)
                event_log.append(locked, events.RunFinished(status="expired", summary="No worker took it in time."))


def settle_abandoned_calls() -> None:
    """Model calls of runs that ended while their worker was lost: a row for the books, no reservation left."""
    quiet = Now() - ABANDONED_AFTER
    left = Step.objects.filter(
        kind=StepKind.MODEL, status=StepStatus.INTENT, run__status__in=TERMINAL, run__finished_at__lt=quiet
    )
    for step in left.select_related("run__agent")[:BATCH]:
        settle_abandoned_call(step)


@transaction.atomic
def settle_abandoned_call(step: Step) -> None:
    """Nothing is done about a run that was continued meanwhile: its next owner settles what the last one left."""
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
    """Messages get lost: if anything waits for a worker, wake one. Which run the message names does not matter."""
    late = Now() - timedelta(seconds=3)
    waits = Run.objects.filter(status=RunStatus.QUEUED, queued_at__lt=late).exists() or Run.objects.stalled().exists()
    if waits:
        queue.wake_run(uuid4())


def purge_idempotency_records() -> None:
    """Answers that were kept to be given again for the same Idempotency-Key."""
    IdempotencyRecord.objects.filter(created_at__lt=Now() - timedelta(hours=24)).delete()


def purge_old_notifications() -> None:
    """Once an hour, too: mails that were sent and notifications that are old."""
    if cache.add("swept:news", 1, timeout=FILES_EVERY_S):
        mail.forget_old()
        notifications.forget_old()


def delete_expired_files() -> None:
    """Once an hour is soon enough. Without a cache it is every round, which costs one look at an index."""
    if cache.add("swept:files", 1, timeout=FILES_EVERY_S):
        storage.delete_expired(limit=BATCH)
        uploads.delete_abandoned(limit=BATCH)


def seal_audit_log() -> None:
    """Entries get their place in the chain of their team."""
    audit_chain.seal_pending()


JOBS = (
    stop_late_runs,
    start_due_runs,
    resume_after_outages,
    resume_within_budget,
    expire_requests,
    expire_queued_runs,
    wake_workers,
    settle_abandoned_calls,
    notices.notify_pending,
    notices.settle,
    mail.wake_if_due,
    purge_idempotency_records,
    purge_old_notifications,
    delete_expired_files,
    seal_audit_log,
)
