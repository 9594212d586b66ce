"""Choosing an agent in a form: by name and role, with the likely one first chosen."""

from __future__ import annotations

from typing import Any

from django import forms

from accounts.models import User, Viewer
from agents.models import Agent, AgentStatus
from tasks.models import Run

TABLE_TOOLS = ("draw_chart", "query_table")
"""An agent with the first is an analyst; with the second it can at least read tables."""


class AgentField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One agent, shown as "Rita · Data analyst"."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Agent.objects.none(), empty_label=None, **kwargs)

    def label_from_instance(self, agent: Agent) -> str:
        return f"{agent.name} · {agent.role}" if agent.role and agent.role != agent.name else agent.name


def agents_of(access: Viewer) -> Any:
    """Agents that can be given work."""
    return Agent.objects.visible_to(access).present().exclude(status=AgentStatus.PAUSED).order_by("name")


def likely_agent(access: Viewer, person: User) -> Agent | None:
    """The agent that the person gave work to last, else the first one that reads tables, else the first one."""
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
