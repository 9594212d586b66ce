"""Starting, cancelling and repeating of runs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit, strict_json
from accounts.errors import AppError, Conflict, FieldError, InvalidInput, InvalidTransition
from accounts.models import AuditEntry, NoticeKind, User
from accounts.models.notifications import channels_of
from accounts.prepared_sql import prime_relation
from billing import entitlements
from billing.plans import Limit
from tasks import event_log, events, queue
from tasks.models import LIVE, HumanRequest, RequestStatus, Run, RunInput, RunKind, RunOrigin, RunStatus
from tasks.services import effects
from tasks.services.approvers import require_approver_of
from tasks.services.run_request import RunRequest, check_content, content_of, limits_of, named_files, usable_agent

QUEUE_EXPIRES_AFTER = timedelta(days=7)
"""Time in the queue after which a run expires."""
LATEST_START = timedelta(days=3650)
TOO_LATE = f"At most {LATEST_START.days} days from now."
PRIORITIES = (-10, 10)
"""Lowest and highest priority."""


def start_run(request: RunRequest) -> Run:
    """Queue one run of a task, or of an agent with a prompt.

    Raises InvalidInput; LimitReached when the plan has no more runs this month (a run counts when it is requested);
    ModelEnded; Conflict if nobody could approve its calls. A request with `is_checked` has been checked for the last
    two already.
    """
    content = content_of(request)
    agent, version = usable_agent(request)
    check_content(content, request.output_schema)
    actor, own, retry_of = request.actor, request.task, request.retry_of
    run = Run(
        team=request.team,
        kind=request.kind or (RunKind.TASK if own else RunKind.DIRECT),
        agent=agent,
        version=version,
        model_override=request.model_override,
        task=content.task,
        created_by=actor,
        origin=request.origin,
        parent=request.parent,
        notify_on_success=actor is not None and bool(channels_of(actor, NoticeKind.FINISHED)),
        title=content.title,
        prompt=content.prompt,
        variables=content.variables,
        review=_first(request.review, own and own.review, False),
        output_schema=_first(request.output_schema, own and own.output_schema, None),
        required_artifacts=_first(request.required_artifacts, own and own.required_artifacts, []),
        metadata=dict(request.metadata),
        webhook_url=request.webhook_url,
        priority=request.priority,
        retry_of=retry_of,
        attempt=retry_of.attempt + 1 if retry_of else 1,
        forked_from=request.forked_from,
        forked_at_step=request.forked_at_step,
        **limits_of(request, agent),
    )
    _queue(run, request.start_at)
    started = audit.entry(team=run.team, actor=actor, action="run.started", target=run, data={})
    inputs = [RunInput(run=run, file=stored, name=name) for name, stored in named_files(request, content)]
    together = transaction.atomic() if request.parent else nullcontext()
    with together, entitlements.room_for(team=run.team, what=Limit.MONTHLY_RUNS):
        if request.parent is not None:
            _lock_parent(request.parent, run)
        _store(run, inputs, started, by=actor.display_name if actor else "the system")
        queue.enqueue_new_run(run)
    return run


def _lock_parent(parent: Run, run: Run) -> None:
    """Lock the parent until the run is stored, so that a cancel either refuses the run or reaches it."""
    if parent.team_id != run.team_id:
        raise ValueError("The parent of a run must be a run of the same team.")
    if Run.objects.select_for_update(no_key=True).get(pk=parent.pk).is_terminal:
        raise Conflict("The run that asked for this one has ended, so nothing was started.")


def _store(run: Run, inputs: list[RunInput], started: AuditEntry, *, by: str) -> None:
    """Insert the run with its first events, its audit entry and its files, in one statement."""
    agent, number = run.agent.name, run.version.number
    reason = "created" if run.status == RunStatus.QUEUED else "scheduled"
    first = [
        events.RunCreated(title=run.title, kind=run.kind, agent=agent, version=number, by=by),
        events.RunQueued(reason=reason),
    ]
    event_log.begin(run, *first, beside=[started, *inputs])
    prime_relation(run, "inputs", inputs)


def _first(*options: Any) -> Any:
    return next((option for option in options if option is not None), None)


def _queue(run: Run, start_at: datetime | None) -> None:
    now = timezone.now()
    if start_at is not None and start_at > now + LATEST_START:
        raise InvalidInput(TOO_LATE, fields=[FieldError("start_at", "too_late", TOO_LATE)])
    if start_at is not None and start_at > now:
        run.status, run.start_at = RunStatus.SCHEDULED, start_at
        now = start_at
    else:
        run.queued_at = now
    run.queue_expires_at = now + QUEUE_EXPIRES_AFTER


@transaction.atomic
def start_now(*, run: Run, actor: User | None) -> Run:
    """Queue a scheduled run before its time. Raises Conflict if it has started or ended."""
    planned = Run.objects.select_for_update().get(pk=run.pk)
    if planned.is_terminal:
        raise Conflict(f"The run has already ended ({planned.status}).")
    if planned.status != RunStatus.SCHEDULED or planned.start_at is None:
        raise Conflict("The run has already started.")
    require_approver_of(planned, starter=planned.created_by)
    was = planned.start_at.isoformat()
    planned.move_to(RunStatus.QUEUED, start_at=None, queue_expires_at=Now() + QUEUE_EXPIRES_AFTER)
    event_log.append(planned, events.RunQueued(reason="early"))
    audit.record(team=run.team, actor=actor, action="run.started_early", target=run, start_at=was)
    queue.enqueue_run(run.pk)
    return planned


@transaction.atomic
def cancel_run(*, run: Run, actor: User | None, reason: str = "") -> Run:
    """Cancel a run for good, and the live runs that it started.

    After the commit no new model or tool call starts; open requests are void. Raises Conflict if it has ended
    otherwise.
    """
    if run.is_terminal and run.status != RunStatus.CANCELLED:
        raise Conflict(f"The run has already ended ({run.status}).")
    if run.status == RunStatus.CANCELLED:
        return run
    reason = strict_json.clean_text(reason)
    try:
        run.move_to(RunStatus.CANCELLED)
    except InvalidTransition:
        run.refresh_from_db()
        if run.status != RunStatus.CANCELLED:
            raise
        return run  # somebody else, or the cancel of its parent, was faster
    HumanRequest.objects.filter(run=run, status=RequestStatus.OPEN).update(status=RequestStatus.VOID)
    by = actor.display_name if actor else "the system"
    detail = f"Cancelled by {by}." + (f" {reason}" if reason else "")
    finished = events.RunFinished(
        status="cancelled", summary=detail, cost_usd=f"{run.cost_usd:.6f}", active_s=round(run.active_s, 3)
    )
    event_log.append(run, finished)
    event_log.stop_worker(run.pk)
    audit.record(team=run.team, actor=actor, action="run.cancelled", target=run, reason=reason)
    _cancel_children(run, actor)
    return run


def _cancel_children(run: Run, actor: User | None) -> None:
    """Cancel the live runs below. The row of `run` is locked, so no child can start meanwhile."""
    for child in Run.objects.filter(parent=run).select_related("team").order_by("pk"):
        if not child.is_terminal:
            with suppress(Conflict):  # it has ended by itself meanwhile
                cancel_run(run=child, actor=actor, reason="The run that started it was cancelled.")
                continue
        _cancel_children(child, actor)


@transaction.atomic
def retry_run(*, run: Run, actor: User | None, repeat_effects: bool = False, origin: RunOrigin = RunOrigin.PAGE) -> Run:
    """Start a new run with the same input on the agent's present version.

    Raises Conflict if it has not ended or is a replay; WouldRepeatEffects with the effects that it would repeat.
    """
    if run.status in LIVE:
        raise Conflict("The run has not ended yet. Cancel it first, or wait.")
    require_no_replay(run)
    if not repeat_effects and (made := effects.effects_of([run])[run.pk]):
        raise effects.WouldRepeatEffects.of(made, may_continue=run.status == RunStatus.FAILED)
    again = RunRequest.repeating(run, actor=actor, origin=origin, priority=run.priority, retry_of=run)
    return start_run(again)


def require_no_replay(run: Run) -> None:
    """Raise Conflict for a replay. It has neither a model nor settings of its own to start from."""
    if run.kind == RunKind.REPLAY:
        raise Conflict("A replay only follows its records. Run again or fork the run that it is a replay of.")


def cancel_runs(*, runs: Iterable[Run], actor: User | None, reason: str = "") -> tuple[list[Run], list[Run]]:
    """Cancel many runs, each in its own transaction. Return (cancelled, already ended)."""
    done, over = [], []
    for run in runs:
        try:
            if run.is_terminal:
                over.append(run)
            else:
                done.append(cancel_run(run=run, actor=actor, reason=reason))
        except Conflict:
            over.append(run)
    return done, over


@dataclass(slots=True)
class Retried:
    """Result of retrying many runs."""

    new: list[Run] = field(default_factory=list)
    refused: list[Run] = field(default_factory=list)
    with_effects: dict[UUID, list[effects.Effect]] = field(default_factory=dict)
    """Runs that were not retried because their effects would be repeated, by id."""


def retry_runs(
    *, runs: Iterable[Run], actor: User | None, repeat_effects: bool = False, origin: RunOrigin = RunOrigin.PAGE
) -> Retried:
    """Retry many runs, each in its own transaction."""
    done = Retried()
    for run in runs:
        try:
            done.new.append(retry_run(run=run, actor=actor, repeat_effects=repeat_effects, origin=origin))
        except effects.WouldRepeatEffects as error:
            done.with_effects[run.pk] = error.effects
        except AppError:
            done.refused.append(run)
    return done


@transaction.atomic
def requeue_run(*, run: Run, actor: User | None) -> Run:
    """Take the run from a worker that seems stuck, so that another one recovers it. Raises Conflict."""
    if run.status != RunStatus.RUNNING:
        raise Conflict("Only a running run can be requeued.")
    changed = Run.objects.filter(pk=run.pk, status=RunStatus.RUNNING, epoch=run.epoch).update(
        lease_expires_at=Now() - timedelta(seconds=1), epoch=run.epoch + 1
    )
    if not changed:
        raise Conflict("The run has moved on meanwhile.")
    event_log.stop_worker(run.pk)
    audit.record(team=run.team, actor=actor, action="run.requeued", target=run)
    queue.enqueue_run(run.pk)
    run.refresh_from_db()
    return run
