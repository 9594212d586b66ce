"""Agents from role templates, with a first run."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import transaction

from accounts.errors import FieldError, InvalidInput
from accounts.models import Team, User
from agents import roles
from agents.models import Agent
from agents.services.agents import create_agent
from storage.services import save_file
from tasks.models import Run, RunKind, RunOrigin
from tasks.services.assignments import create_task
from tasks.services.run_request import RunRequest
from tasks.services.runs import start_run

EXAMPLES = settings.BASE_DIR / "docs" / "examples"
INTRODUCTION = "Say in a few sentences who you are and what you do, and show it with a small example of your own."


@transaction.atomic
def hire_role(*, team: Team, actor: User, role: str, name: str = "") -> Agent:
    """Create an agent of the role, with the role's tasks. Raises InvalidInput."""
    template = roles.find(role)
    if template is None:
        raise InvalidInput("Choose a role.", fields=[FieldError("role", "invalid_choice", "There is no such role.")])
    given = roles.starting_point(template)
    agent = create_agent(team=team, actor=actor, **given | ({"name": name.strip()} if name.strip() else {}))
    for task in template.tasks:
        create_task(
            team=team,
            actor=actor,
            agent=agent,
            name=task.name,
            prompt=task.prompt,
            variables=[dict(variable) for variable in task.variables],
            review=task.review,
            required_artifacts=list(task.required_artifacts),
        )
    return agent


def example_file(role: roles.RoleTemplate | None) -> Path | None:
    """Return the path of the role's example file, or None if this installation lacks it."""
    path = EXAMPLES / role.example_file if role else EXAMPLES
    return path if path.is_file() else None


@transaction.atomic
def start_demo(*, agent: Agent, actor: User, origin: RunOrigin = RunOrigin.PAGE) -> Run:
    """Start a demo run of the agent's role, or an introduction. It ends with a review."""
    role = roles.find_by_name(agent.role)
    example = example_file(role)
    files = []
    if example:
        files.append(save_file(team_id=agent.team_id, content=example, name=example.name, created_by=actor))
    prompt = role.example_prompt if role else INTRODUCTION
    asked = RunRequest(
        team=agent.team,
        actor=actor,
        origin=origin,
        agent=agent,
        prompt=prompt,
        attachments=files,
        review=True,
        kind=RunKind.DEMO,
    )
    return start_run(asked)
