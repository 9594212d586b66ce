"""From a role template to an agent that has something to do."""

from __future__ import annotations

from django.db import transaction

from accounts.errors import FieldError, InvalidInput
from accounts.models import Team, User
from agents import roles
from agents.models import Agent
from agents.services.agents import create_agent
from tasks.services.assignments import create_task


@transaction.atomic
def hire_role(*, team: Team, actor: User, role: str, name: str = "") -> Agent:
    """Make an agent of the role, with the tasks that it brings along."""
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
