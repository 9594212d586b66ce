"""Hooks of agents, called inside the transaction of the change (see `accounts.hooks`)."""

from __future__ import annotations

from collections.abc import Iterable

from accounts.hooks import hook
from accounts.models import User
from agents.models import Agent


@hook
def agent_limited(*, agent: Agent, actor: User, was_open: bool) -> None:
    """React to a change of the members who see the agent. `was_open`: the whole team saw it before."""


@hook
def agent_removed(*, agent: Agent, actor: User | None) -> None:
    """Stop the work of an agent that is being deleted."""


@hook
def agent_dependents(*, agent: Agent) -> Iterable[str]:
    """Return one sentence for each kind of work that deleting the agent stops, such as "2 live runs are cancelled"."""
    return ()
