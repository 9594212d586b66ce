"""Creation, changes and removal of tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import FieldError, InvalidInput
from accounts.models import Team, User
from agents.models import Agent
from tasks import schemas, variables
from tasks.models import LIVE, Run, Task
from tasks.services.runs import cancel_run

FIELDS = (
    "name",
    "agent",
    "prompt",
    "variables",
    "review",
    "output_schema",
    "required_artifacts",
    "max_cost_usd",
    "max_turns",
    "timeout_s",
)


def _check(task: Task) -> None:
    errors = []
    if not task.name.strip():
        errors.append(FieldError("name", "required", "Give the task a name."))
    if not task.prompt.strip():
        errors.append(FieldError("prompt", "required", "Say what the agent should do."))
    problem = schemas.schema_error(task.output_schema) if task.output_schema else None
    if problem:
        errors.append(FieldError("output_schema", "invalid", problem))
    if errors:
        raise InvalidInput("The task cannot be saved like this.", fields=errors)
    variables.check_declared(task.prompt, task.variables)


@transaction.atomic
def create_task(*, team: Team, actor: User | None, agent: Agent, name: str, prompt: str, **more: Any) -> Task:
    """Create a task. `more` takes the other names in FIELDS. Raises InvalidInput."""
    task = Task(team=team, created_by=actor, agent=agent, name=name, prompt=prompt, **more)
    _check(task)
    task.save(force_insert=True)
    audit.record(team=team, actor=actor, action="task.created", target=task)
    return task


@transaction.atomic
def update_task(*, task: Task, actor: User | None, changes: Mapping[str, Any]) -> Task:
    """Change a task. Runs already started keep their settings. Raises InvalidInput."""
    task = Task.objects.select_for_update().get(pk=task.pk)
    before = {name: getattr(task, name) for name in FIELDS if name in changes}
    for name, value in changes.items():
        if name not in FIELDS:
            raise InvalidInput(
                f"A task has no {name}.", fields=[FieldError(name, "unknown", "There is no such field.")]
            )
        setattr(task, name, value)
    _check(task)
    task.save()
    values = audit.diff(before, {name: getattr(task, name) for name in before})
    audit.record(team=task.team, actor=actor, action="task.changed", target=task, **values)
    return task


@transaction.atomic
def remove_task(*, task: Task, actor: User | None) -> None:
    """Remove a task and cancel its live runs. Finished runs stay."""
    for run in Run.objects.filter(task=task, status__in=LIVE).select_related("team"):
        cancel_run(run=run, actor=actor, reason=f"The task {task.name} was deleted.")
    Task.objects.filter(pk=task.pk).update(removed_at=timezone.now())
    audit.record(team=task.team, actor=actor, action="task.removed", target=task)
