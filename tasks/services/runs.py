"""Starting, cancelling and repeating runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from accounts import audit, strict_json
from accounts.errors import AppError, Conflict, FieldError, InvalidInput
from accounts.models import AuditEntry, Membership, NoticeKind, Team, User
from accounts.models.notifications import channels_of
from accounts.prepared_sql import prime_relation
from accounts.tenancy import access_of_member
from agents.models import Agent, AgentStatus, AgentVersion
from agents.services.models import require_present
from billing import entitlements
from billing.plans import Limit
from storage.models import StoredFile
from tasks import event_log, events, queue, schemas, variables
from tasks.models import (
    LIVE,
    HumanRequest,
    RequestStatus,
    Run,
    RunInput,
    RunKind,
    RunStatus,
    Task,
)
from tasks.services import effects
from tasks.services.approvers import require_approver, require_approver_of

MAX_PROMPT = 100_000
MAX_ATTACHMENTS = 20
QUEUE_EXPIRES_AFTER = timedelta(days=7)
LATEST_START = timedelta(days=3650)
TOO_LATE = f"At most {LATEST_START.days} days from now."
PRIORITIES = (-10, 10)
LIMITS = ("max_cost_usd", "max_turns", "timeout_s")


def start_run(
    *,
    team: Team,
    actor: User | None,
    agent: Agent | None = None,
    task: Task | None = None,
    prompt: str = "",
    values: Mapping[str, Any] | None = None,
    attachments: Sequence[StoredFile] = (),
    limits: Mapping[str, Any] | None = None,
    review: bool | None = None,
    output_schema: Mapping[str, Any] | None = None,
    required_artifacts: Sequence[str] | None = None,
    start_at: datetime | None = None,
    priority: int = 0,
    metadata: Mapping[str, Any] | None = None,
    webhook_url: str = "",
    retry_of: Run | None = None,
    kind: RunKind | None = None,
    is_checked: bool = False,
) -> Run:
    """Queue one run of a task, or of an agent with a prompt.

    Raises InvalidInput, LimitReached when the plan has no more runs this month (a run counts when it is asked for), and
    ModelEnded and Conflict (nobody could approve its calls), about which a copy that `is_checked` has asked already.
    """
    filled: dict[str, Any] = {}
    files = list(attachments)
    if task is not None:
        prompt, filled, more = _fill(team, actor, task, values or {})
        files += more
    agent, version = _usable(task.agent if task else agent, actor, is_checked=is_checked)
    _check(prompt, files, output_schema)
    run = Run(
        team=team,
        kind=kind or (RunKind.TASK if task else RunKind.DIRECT),
        agent=agent,
        version=version,
        task=task,
        created_by=actor,
        notify_on_success=actor is not None and bool(channels_of(actor, NoticeKind.FINISHED)),
        title=_title(task, prompt),
        prompt=prompt,
        variables=filled,
        review=_first(review, task and task.review, False),
        output_schema=_first(output_schema, task and task.output_schema, None),
        required_artifacts=_first(required_artifacts, task and task.required_artifacts, []),
        metadata=dict(metadata or {}),
        webhook_url=webhook_url,
        priority=priority,
        retry_of=retry_of,
        attempt=retry_of.attempt + 1 if retry_of else 1,
        **{name: _limit(name, limits or {}, task, getattr(version, name)) for name in LIMITS},
    )
    _queue(run, start_at)
    started = audit.entry(team=team, actor=actor, action="run.started", target=run, data={})
    with entitlements.room_for(team=team, what=Limit.MONTHLY_RUNS):
        _store(run, files, started, by=actor.display_name if actor else "the system")
        queue.enqueue_new_run(run)
    return run


def _store(run: Run, files: Sequence[StoredFile], started: AuditEntry, *, by: str) -> None:
    """Insert the run with its first events, the entry of its start and its files, in one statement."""
    agent, number = run.agent.name, run.version.number
    reason = "created" if run.status == RunStatus.QUEUED else "scheduled"
    first = [
        events.RunCreated(title=run.title, kind=run.kind, agent=agent, version=number, by=by),
        events.RunQueued(reason=reason),
    ]
    inputs = _inputs(run, files)
    event_log.begin(run, *first, beside=[started, *inputs])
    prime_relation(run, "inputs", inputs)


def _first(*options: Any) -> Any:
    return next((option for option in options if option is not None), None)


def _usable(agent: Agent | None, starter: User | None, *, is_checked: bool) -> tuple[Agent, AgentVersion]:
    if agent is None or agent.version is None or agent.status == AgentStatus.REMOVED:
        raise InvalidInput("Choose an agent.", fields=[FieldError("agent", "required", "Choose an agent.")])
    if agent.status == AgentStatus.PAUSED:
        raise Conflict(f"{agent.name} is paused. Resume the agent first.")
    if not is_checked:
        require_present(agent, agent.version)
        require_approver(agent=agent, versions=[agent.version], starter=starter)
    return agent, agent.version


def _check(prompt: str, files: Sequence[StoredFile], output_schema: Mapping[str, Any] | None) -> None:
    errors = []
    if not prompt.strip():
        errors.append(FieldError("prompt", "required", "Say what the agent should do."))
    if len(prompt) > MAX_PROMPT:
        errors.append(
            FieldError("prompt", "too_long", f"At most {MAX_PROMPT:,} characters; attach longer texts as files.")
        )
    if len(files) > MAX_ATTACHMENTS:
        errors.append(FieldError("attachments", "too_many", f"At most {MAX_ATTACHMENTS} files."))
    problem = schemas.schema_error(output_schema) if output_schema else None
    if problem:
        errors.append(FieldError("output_schema", "invalid", problem))
    if errors:
        raise InvalidInput("The run cannot start like this.", fields=errors)


def _files_of(team: Team, actor: User | None) -> QuerySet[StoredFile]:
    """What whoever starts the run may give to it."""
    membership = Membership.objects.select_related("team").filter(team=team, user=actor).first() if actor else None
    files = StoredFile.objects
    return files.visible_to(access_of_member(membership)) if membership else files.for_team(team)


def _fill(
    team: Team, actor: User | None, task: Task, values: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[StoredFile]]:
    """The task's prompt with its variables, their values, and the files that they name.

    A file variable holds a file id; the prompt names the file, and the file is attached.
    """
    prompt, filled = variables.fill(task.prompt, task.variables, values)
    files = []
    for variable in task.variables:
        file_id = filled.get(variable["name"])
        if variable["type"] != "file" or not file_id:
            continue
        try:
            stored = _files_of(team, actor).get(pk=file_id)
        except (StoredFile.DoesNotExist, ValidationError, ValueError, TypeError) as error:
            field = f"variables.{variable['name']}"
            raise InvalidInput(
                "A file is missing.", fields=[FieldError(field, "not_found", "Upload the file first.")]
            ) from error
        files.append(stored)
        prompt = prompt.replace(str(file_id), stored.name)
    return prompt, filled, files


def _title(task: Task | None, prompt: str) -> str:
    if task:
        return task.name
    line = next((line.strip() for line in prompt.splitlines() if line.strip()), "Run")
    return line if len(line) <= 100 else f"{line[:99]}…"


def _limit(name: str, given: Mapping[str, Any], task: Task | None, of_agent: Any) -> Any:
    """The smallest of what was asked for, what the task allows and what the agent allows."""
    wanted = [value for value in (given.get(name), getattr(task, name, None), of_agent) if value is not None]
    kind = Decimal if name == "max_cost_usd" else int
    lowest = min(kind(value) for value in wanted)
    if lowest < 0 or (lowest == 0 and name != "max_cost_usd"):
        raise InvalidInput("A limit is wrong.", fields=[FieldError(f"limits.{name}", "invalid", "Must be above zero.")])
    return lowest


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


def _inputs(run: Run, files: Sequence[StoredFile]) -> list[RunInput]:
    """The files under names that no two of them share."""
    taken: set[str] = set()
    inputs = []
    for stored in dict.fromkeys(files):
        name, n = stored.name, 1
        while name.casefold() in taken:
            n += 1
            stem, dot, suffix = stored.name.rpartition(".")
            name = f"{stem} {n}{dot}{suffix}" if dot else f"{stored.name} {n}"
        taken.add(name.casefold())
        inputs.append(RunInput(run=run, file=stored, name=name))
    return inputs


@transaction.atomic
def start_now(*, run: Run, actor: User | None) -> Run:
    """Queue a scheduled run before its time. Conflict says that it has started or ended meanwhile."""
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
    """Stop a run for good. After the commit no new model or tool call starts; its open request is void."""
    if run.is_terminal and run.status != RunStatus.CANCELLED:
        raise Conflict(f"The run has already ended ({run.status}).")
    if run.status == RunStatus.CANCELLED:
        return run
    reason = strict_json.clean_text(reason)
    run.move_to(RunStatus.CANCELLED)
    HumanRequest.objects.filter(run=run, status=RequestStatus.OPEN).update(status=RequestStatus.VOID)
    by = actor.display_name if actor else "the system"
    detail = f"Cancelled by {by}." + (f" {reason}" if reason else "")
    finished = events.RunFinished(
        status="cancelled", summary=detail, cost_usd=f"{run.cost_usd:.6f}", active_s=round(run.active_s, 3)
    )
    event_log.append(run, finished)
    event_log.stop_worker(run.pk)
    audit.record(team=run.team, actor=actor, action="run.cancelled", target=run, reason=reason)
    return run


@transaction.atomic
def retry_run(*, run: Run, actor: User | None, repeat_effects: bool = False) -> Run:
    """Start a new run with the same input on the agent's present version.

    Conflict says that it has not ended or is a replay. WouldRepeatEffects names what it did outside, and what would be
    done once more.
    """
    if run.status in LIVE:
        raise Conflict("The run has not ended yet. Cancel it first, or wait.")
    require_no_replay(run)
    if not repeat_effects and (made := effects.effects_of([run])[run.pk]):
        raise effects.WouldRepeatEffects.of(made, may_continue=run.status == RunStatus.FAILED)
    again = start_run(
        team=run.team,
        actor=actor,
        agent=run.agent,
        prompt=run.prompt,
        attachments=[i.file for i in run.inputs.select_related("file")],
        limits={name: getattr(run, name) for name in LIMITS},
        review=run.review,
        output_schema=run.output_schema,
        required_artifacts=run.required_artifacts,
        priority=run.priority,
        metadata=run.metadata,
        retry_of=run,
    )
    Run.objects.filter(pk=again.pk).update(task=run.task, kind=run.kind, title=run.title, variables=run.variables)
    again.refresh_from_db()
    return again


def require_no_replay(run: Run) -> None:
    """Raise Conflict for a replay: it has neither a model nor the settings of a run of its own to start from."""
    if run.kind == RunKind.REPLAY:
        raise Conflict("A replay only follows its records. Run again or fork the run that it is a replay of.")


def cancel_runs(*, runs: Iterable[Run], actor: User | None, reason: str = "") -> tuple[list[Run], list[Run]]:
    """Cancel many runs, each in its own transaction. Answers with those cancelled and those that had ended already."""
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
    """What became of many runs that were to be retried."""

    new: list[Run] = field(default_factory=list)
    refused: list[Run] = field(default_factory=list)
    with_effects: dict[UUID, list[effects.Effect]] = field(default_factory=dict)
    """Not retried: what they did outside would be done once more."""


def retry_runs(*, runs: Iterable[Run], actor: User | None, repeat_effects: bool = False) -> Retried:
    """Retry many runs, each in its own transaction."""
    done = Retried()
    for run in runs:
        try:
            done.new.append(retry_run(run=run, actor=actor, repeat_effects=repeat_effects))
        except effects.WouldRepeatEffects as error:
            done.with_effects[run.pk] = error.effects
        except AppError:
            done.refused.append(run)
    return done


@transaction.atomic
def requeue_run(*, run: Run, actor: User | None) -> Run:
    """An operator's one click: take the run from a worker that seems stuck and let another one recover it."""
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
