"""React to hooks of billing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accounts.models import Team
from agents.models import Agent
from billing import hooks
from billing.plans import Limit


@hooks.limit_counters.register
def count_agents() -> Mapping[Limit, Callable[[Team], int]]:
    return {Limit.AGENTS: lambda team: Agent.objects.for_team(team).present().count()}
