"""Hooks of billing (see `accounts.hooks`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from accounts.hooks import hook
from accounts.models import Team
from billing.plans import Limit


@hook
def budget_changed(*, team: Team, agent_id: UUID | None) -> None:
    """React to a budget being set, raised, lowered or removed. `agent_id` is None for the team's own budget."""


@hook
def limit_counters() -> Mapping[Limit, Callable[[Team], int]]:
    """Return, for the limits whose rows the app owns, the function that counts a team's usage."""
    return {}
