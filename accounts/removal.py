"""What depends on a team or on a person in it. Accounts cannot know who works for it; the apps above answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from accounts.models import ApiKey, Invitation, Team, User

Witness = Callable[[Team], Mapping[str, int]]
LinkWitness = Callable[[Team, User], int]
_witnesses: list[Witness] = []
_link_witnesses: list[LinkWitness] = []


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


def link_witness(ask: LinkWitness) -> LinkWitness:
    """Register a function that counts the links into the team that a person made and that outlive their membership."""
    if ask not in _link_witnesses:
        _link_witnesses.append(ask)
    return ask


def open_links_by(team: Team, person: User) -> int:
    """How many links stay open when that person is not in the team any more."""
    return sum(ask(team, person) for ask in _link_witnesses)
