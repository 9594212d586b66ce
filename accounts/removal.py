"""What depends on a team. Accounts cannot know who works for it; the apps above answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accounts.models import ApiKey, Invitation, Team

Witness = Callable[[Team], Mapping[str, int]]
_witnesses: list[Witness] = []


def witness(ask: Witness) -> Witness:
    """Register a function that counts, by kind, what ends when the team is deleted."""
    if ask not in _witnesses:
        _witnesses.append(ask)
    return ask


def dependents(team: Team) -> dict[str, int]:
    """What people read before they confirm: {"members": 3, "api_keys": 1, "agents": 2, …}."""
    found = {
        "members": team.memberships.count(),
        "api_keys": ApiKey.objects.for_team(team).filter(revoked_at=None).count(),
        "invitations": Invitation.objects.for_team(team).open().count(),
    }
    for ask in _witnesses:
        found |= ask(team)
    return found
