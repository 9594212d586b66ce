"""Choice of an agent in a form: by name and role, with a likely one preselected."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User, Viewer
from agents.models import Agent, AgentStatus
from tasks.models import Run

TABLE_TOOLS = ("draw_chart", "query_table")
"""Tools of agents that fit table work: an analyst has the first, any reader of tables the second."""


class AgentField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """Choice of one agent, shown as "Rita · Data analyst"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Agent.objects.none(), empty_label=None, **kwargs)

    def label_from_instance(self, agent: Agent) -> str:
        return f"{agent.name} · {agent.role}" if agent.role and agent.role != agent.name else agent.name


def agents_of(access: Viewer) -> Any:
    """Return the agents that can be given work, by name."""
    return Agent.objects.visible_to(access).present().exclude(status=AgentStatus.PAUSED).order_by("name")


def likely_agent(access: Viewer, person: User) -> Agent | None:
    """Return the agent that the person last gave work to. Without one, the first that reads tables, else the first."""
    agents = agents_of(access)
    last = (
        Run.objects.for_team(access.team)
        .filter(created_by=person, agent__in=agents)
        .select_related("agent")
        .order_by("-id")
        .first()
    )
    if last is not None:
        return last.agent
    for tool in TABLE_TOOLS:
        able: Agent | None = agents.filter(version__tools__contains=[{"tool": tool}]).first()
        if able is not None:
            return able
    any_one: Agent | None = agents.first()
    return any_one
