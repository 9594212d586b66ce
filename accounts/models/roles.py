"""The one table of what a role may do. Asked at the edges through `accounts/tenancy.py`."""

from __future__ import annotations

from accounts.models.people import Role

READ = frozenset({"runs:read", "agents:read", "tools:read", "billing:read"})
WORK = READ | {"runs:write", "agents:write", "tools:write"}
ACTIONS: dict[str, frozenset[str]] = {
    Role.VIEWER: READ,
    Role.MEMBER: WORK,
    Role.ADMIN: WORK | {"team:admin"},
    Role.OWNER: WORK | {"team:admin"},
}
SCOPES = tuple(sorted(WORK | {"team:admin"}))
