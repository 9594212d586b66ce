"""Table of the actions that each role allows. Asked at the edges through `accounts/tenancy.py`."""

from __future__ import annotations

from accounts.models.people import Role

READ = frozenset({"runs:read", "agents:read", "tools:read", "billing:read"})
WORK = READ | {"runs:write", "agents:write", "tools:write"}
ACTIONS: dict[str, frozenset[str]] = {
    Role.VIEWER: READ,
    Role.BILLING: frozenset({"billing:read", "billing:write"}),
    Role.MEMBER: WORK,
    Role.ADMIN: WORK | {"team:admin", "billing:write"},
    Role.OWNER: WORK | {"team:admin", "billing:write", "team:own"},
}
SCOPES = tuple(sorted(WORK | {"team:admin"}))
"""Scopes that a key can have. `billing:write` (the plan) and `team:own` (delete, transfer) are for people only."""
SEES_EVERY_AGENT = frozenset({Role.OWNER.value, Role.ADMIN.value})
_RANK = {Role.OWNER.value: 2, Role.ADMIN.value: 1}


def may_manage(own: str, other: str) -> bool:
    """Return True if a person with the role `own` may give or take the role `other`."""
    return "team:admin" in ACTIONS.get(own, frozenset()) and _RANK.get(own, 0) >= _RANK.get(other, 0)
