"""Hooks of agents, called inside the transaction of the change (see `accounts.hooks`)."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.hooks import hook
from accounts.models import User
from agents.models import Agent


@hook
def agent_limited(*, agent: Agent, actor: User, was_open: bool) -> None:
    """React to an agent being limited to other people than before. `was_open`: everybody in the team saw it."""


@hook
def agent_removed(*, agent: Agent, actor: User | None) -> None:
    """Stop the work of an agent that is being deleted."""


@hook
def agent_dependents(*, agent: Agent) -> Iterable[str]:
    """Say, one sentence each, what deleting the agent stops, such as "2 live runs are cancelled."."""
    return ()
