"""Continuation of a failed run after its last settled step, without repeating what it did."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Max, Q
from django.db.models.functions import Now

from accounts import audit, notifications
from accounts.errors import AppError, Conflict
from accounts.models import User
from agents.models import AgentStatus
from agents.services.models import require_present
from tasks import event_log, events, queue
from tasks.models import LIVE, Run, RunKind, RunStatus, Step, StepKind, StepStatus
from tasks.services.approvers import require_approver_of
from tasks.services.runs import QUEUE_EXPIRES_AFTER

ENDS_FOR_GOOD = {
    "refusal": "The model declined to go on and would do so again. Start a new run in other words, or fork this one.",
    "no_result": "It would come to the same end. Start a new run with another file or other words, or fork this one.",
    "context_overflow": "Its conversation is longer than the model can read. Fork it from an earlier step.",
}
"""Explanations by the stop reason of the model's last response."""


def why_not(run: Run) -> str:
    """Return why the run cannot be continued, or "" if it can."""
    if run.status in LIVE:
        return "The run has not ended. Only a run that failed can be continued."
    if run.status != RunStatus.FAILED:
        return f"This run is {run.get_status_display().lower()}. Only a run that failed can be continued."
    if run.kind == RunKind.REPLAY:
        return "A replay ends where its records end."
    if run.agent.status == AgentStatus.REMOVED:
        return f"{run.agent.name} was deleted. Give the work to another agent."
    if run.agent.status == AgentStatus.PAUSED:
        return f"{run.agent.name} is paused. Resume the agent first."
    last = run.steps.filter(kind=StepKind.MODEL, status=StepStatus.DONE).order_by("-index").first()
    return ENDS_FOR_GOOD.get((last.result or {}).get("stop", ""), "") if last else ""


@transaction.atomic
def continue_run(*, run: Run, actor: User) -> Run:
    """Queue a failed run again after its last settled step.

    Its time, turns and recoveries are reset; the money that is left stays. Raises Conflict if it cannot continue,
    ModelEnded if its model is gone.
    """
    found = Run.objects.select_for_update(of=("self",)).select_related("team", "agent__version", "version")
    run = found.get(pk=run.pk)
    if why := why_not(run):
        raise Conflict(why)
    require_approver_of(run, starter=run.created_by or actor, is_old=True)
    require_present(run.agent, run.version, run.model_override)
    _forgive_model(run)
    last = run.steps.aggregate(last=Max("index"))["last"] or 0
    open_ = Q(status__in=(StepStatus.INTENT, StepStatus.UNKNOWN)) | Q(kind=StepKind.MODEL, status=StepStatus.FAILED)
    settled = run.steps.exclude(open_).aggregate(last=Max("index"))["last"] or 0
    run.move_to(
        RunStatus.QUEUED,
        start_at=None,
        error_code="",
        error_detail="",
        notified_at=None,
        queue_expires_at=Now() + QUEUE_EXPIRES_AFTER,
        continued_at=Now(),
        continued_at_step=last,
        active_s_before=F("active_s"),
        turns_before=F("turns"),
        recoveries=0,
    )
    by = actor.display_name
    event_log.append(run, events.RunContinued(by=by, step=settled), events.RunQueued(reason="continued"))
    audit.record(team=run.team, actor=actor, action="run.continued", target=run)
    notifications.retract(subject_type="run", subject_id=str(run.pk))
    queue.enqueue_run(run.pk)
    return run


def _forgive_model(run: Run) -> None:
    """Reset the failures of earlier model attempts. They do not count against the next ones."""
    for step in Step.objects.filter(run=run, kind=StepKind.MODEL).exclude(status=StepStatus.DONE):
        step.request = {name: value for name, value in step.request.items() if not name.endswith("failures")}
        step.save(update_fields=["request"])


def continue_runs(*, runs: Iterable[Run], actor: User) -> tuple[list[Run], list[Run]]:
    """Continue many runs, each in its own transaction. Return (continued, refused)."""
    done, refused = [], []
    for run in runs:
        try:
            done.append(continue_run(run=run, actor=actor))
        except AppError:
            refused.append(run)
    return done, refused
