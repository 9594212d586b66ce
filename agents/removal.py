"""What would stop if an agent were deleted. Agents cannot know who gives it work; the apps above answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from agents.models import Agent

Witness = Callable[[Agent], Iterable[str]]
_witnesses: list[Witness] = []


def witness(ask: Witness) -> Witness:
    """Register a function that names, one sentence each, what deleting the agent stops."""
    if ask not in _witnesses:
        _witnesses.append(ask)
    return ask


def impact(agent: Agent) -> list[str]:
    """What people read before they confirm, such as "2 live runs are cancelled."."""
    return [sentence for ask in _witnesses for sentence in ask(agent)]
