"""Request for a new run, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from accounts.errors import Conflict, FieldError, InvalidInput
from accounts.models import Membership, Team, User
from accounts.tenancy import access_of_member
from agents.models import Agent, AgentStatus, AgentVersion
from agents.services.models import require_present
from storage.models import StoredFile
from tasks import schemas, variables
from tasks.models import Run, RunKind, RunOrigin, Task
from tasks.services.approvers import require_approver

MAX_PROMPT = 100_000
MAX_ATTACHMENTS = 20
LIMITS = ("max_cost_usd", "max_turns", "timeout_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """Request for a new run, as `start_run` takes it.

    Name a task, or an agent and a prompt. None for `review`, `output_schema` and `required_artifacts` takes what the
    task says; limits can only lower those of the task and of the agent.
    """

    team: Team
    actor: User | None
    """Person who starts it; None is the system itself."""
    origin: RunOrigin
    parent: Run | None = None
    """The live run of the team that starts this one; it ends with it when that is cancelled."""
    agent: Agent | None = None
    task: Task | None = None
    prompt: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    """Values of the task's variables, by name; a file variable takes the id of a file."""
    attachments: Sequence[StoredFile] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    """Values of any of `max_cost_usd`, `max_turns` and `timeout_s`."""
    review: bool | None = None
    output_schema: Mapping[str, Any] | None = None
    required_artifacts: Sequence[str] | None = None
    start_at: datetime | None = None
    """Start time; None, or a past time, is now."""
    priority: int = 0
    metadata: Mapping[str, Any] = field(default_factory=dict)
    webhook_url: str = ""
    kind: RunKind | None = None
    """Kind of the run; None takes `task` or `direct`."""
    source: Run | None = None
    """Run that this one repeats. Its title, task, variables and files are copied; its prompt is filled in already."""
    retry_of: Run | None = None
    forked_from: Run | None = None
    forked_at_step: int | None = None
    version: AgentVersion | None = None
    """Version of the agent; None takes the present one."""
    model_override: str = ""
    is_checked: bool = False
    """True if the caller has checked already that the model exists and that somebody could approve the calls."""

    @classmethod
    def repeating(cls, run: Run, *, actor: User | None, origin: RunOrigin, **changes: Any) -> Self:
        """Return a request that repeats the work of another run."""
        same = ("agent", "prompt", "review", "output_schema", "required_artifacts", "metadata")
        given: dict[str, Any] = {name: getattr(run, name) for name in same}
        given |= {"team": run.team, "actor": actor, "origin": origin, "source": run, "kind": RunKind(run.kind)}
        given["limits"] = {name: getattr(run, name) for name in LIMITS}
        return cls(**given | changes)


@dataclass(frozen=True, slots=True)
class TaskContent:
    """Contents for the agent: the request with its task filled in."""

    title: str
    prompt: str
    variables: dict[str, Any]
    task: Task | None
    files: Sequence[StoredFile] = ()
    """Attachments in order, to be named by `named_files`."""


def content_of(request: RunRequest) -> TaskContent:
    """Fill in the prompt. Raises InvalidInput."""
    if (source := request.source) is not None:
        return TaskContent(source.title, request.prompt, source.variables, source.task)
    if request.task is not None:
        prompt, filled, files = _fill(request.team, request.actor, request.task, request.variables)
        return TaskContent(request.task.name, prompt, filled, request.task, [*request.attachments, *files])
    return TaskContent(_title(request.prompt), request.prompt, {}, None, request.attachments)


def usable_agent(request: RunRequest) -> tuple[Agent, AgentVersion]:
    """Return the agent and the version that do the work. Raises InvalidInput, Conflict or ModelEnded."""
    agent = request.task.agent if request.task else request.agent
    if agent is None or agent.version is None or agent.status == AgentStatus.REMOVED:
        raise InvalidInput("Choose an agent.", fields=[FieldError("agent", "required", "Choose an agent.")])
    if agent.status == AgentStatus.PAUSED:
        raise Conflict(f"{agent.name} is paused. Resume the agent first.")
    version = request.version or agent.version
    if not request.is_checked:
        require_present(agent, version)
        require_approver(agent=agent, versions=[version], starter=request.actor)
    return agent, version


def limits_of(request: RunRequest, agent: Agent) -> dict[str, Any]:
    """Return the smallest of the requested limits, the task's and the agent's present ones.

    A replay calls no model and no tool, so nothing lowers its limits.
    """
    if request.kind == RunKind.REPLAY:
        return dict(request.limits)
    return {name: _limit(name, request, getattr(agent.version, name)) for name in LIMITS}


def named_files(request: RunRequest, content: TaskContent) -> list[tuple[str, StoredFile]]:
    """Return the files of the run under unique names. Those of a repeated run keep theirs."""
    if request.source is not None:
        return [(given.name, given.file) for given in request.source.inputs.select_related("file").order_by("pk")]
    taken: set[str] = set()
    named = []
    for stored in dict.fromkeys(content.files):
        name, n = stored.name, 1
        while name.casefold() in taken:
            n += 1
            stem, dot, suffix = stored.name.rpartition(".")
            name = f"{stem} {n}{dot}{suffix}" if dot else f"{stored.name} {n}"
        taken.add(name.casefold())
        named.append((name, stored))
    return named


def check_content(content: TaskContent, output_schema: Mapping[str, Any] | None) -> None:
    """Raise InvalidInput that names every field that is wrong."""
    errors = []
    if not content.prompt.strip():
        errors.append(FieldError("prompt", "required", "Say what the agent should do."))
    if len(content.prompt) > MAX_PROMPT:
        errors.append(
            FieldError("prompt", "too_long", f"At most {MAX_PROMPT:,} characters; attach longer texts as files.")
        )
    if len(content.files) > MAX_ATTACHMENTS:
        errors.append(FieldError("attachments", "too_many", f"At most {MAX_ATTACHMENTS} files."))
    problem = schemas.schema_error(output_schema) if output_schema else None
    if problem:
        errors.append(FieldError("output_schema", "invalid", problem))
    if errors:
        raise InvalidInput("The run cannot start like this.", fields=errors)


def _files_of(team: Team, actor: User | None) -> QuerySet[StoredFile]:
    """Return the files that the person who starts the run may attach."""
    membership = Membership.objects.select_related("team").filter(team=team, user=actor).first() if actor else None
    files = StoredFile.objects
    return files.visible_to(access_of_member(membership)) if membership else files.for_team(team)


def _fill(
    team: Team, actor: User | None, task: Task, values: Mapping[str, Any]
) -> tuple[str, dict[str, Any], list[StoredFile]]:
    """Return the task's prompt with its variables filled in.

    Their values and the files that they name come with it. A file variable holds a file id; the prompt names the file,
    and the file is attached.
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
            name = f"variables.{variable['name']}"
            raise InvalidInput(
                "A file is missing.", fields=[FieldError(name, "not_found", "Upload the file first.")]
            ) from error
        files.append(stored)
        prompt = prompt.replace(str(file_id), stored.name)
    return prompt, filled, files


def _title(prompt: str) -> str:
    line = next((line.strip() for line in prompt.splitlines() if line.strip()), "Run")
    return line if len(line) <= 100 else f"{line[:99]}…"


def _limit(name: str, request: RunRequest, of_agent: Any) -> Any:
    of_task = getattr(request.task, name, None)
    wanted = [value for value in (request.limits.get(name), of_task, of_agent) if value is not None]
    kind = Decimal if name == "max_cost_usd" else int
    lowest = min(kind(value) for value in wanted)
    if lowest < 0 or (lowest == 0 and name != "max_cost_usd"):
        raise InvalidInput("A limit is wrong.", fields=[FieldError(f"limits.{name}", "invalid", "Must be above zero.")])
    return lowest
