"""Counts of what ends with a team, or stays open after a person leaves it."""

from __future__ import annotations

from accounts import hooks
from accounts.models import ApiKey, Invitation, Team, User


def dependents(team: Team) -> dict[str, int]:
    """Count what deleting the team ends, by kind: {"members": 3, "api_keys": 1, "agents": 2, …}."""
    found = {
        "members": team.memberships.count(),
        "api_keys": ApiKey.objects.for_team(team).filter(revoked_at=None).count(),
        "invitations": Invitation.objects.for_team(team).open().count(),
    }
    for counts in hooks.team_dependents(team=team):
        found |= counts
    return found


def open_links_by(team: Team, person: User) -> int:
    """Count the links of that person which stay open after they have left the team."""
    return sum(hooks.links_made_by(team=team, person=person))
