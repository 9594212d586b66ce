"""Permission check of the API, against the table of `accounts/tenancy.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.errors import InsufficientScope as InsufficientScope
from accounts.errors import NotFound
from accounts.tenancy import Access

if TYPE_CHECKING:
    from accounts.rest.base import TeamAPIView

NO_SUCH_TEAM = "You are in no team of that name (header X-Team)."


class TeamPermission(BasePermission):
    """Permission by scope. The caller's key and role must include the one that the view names for this method."""

    def has_permission(self, request: Request, view: TeamAPIView) -> bool:  # type: ignore[override]
        access = request.auth
        if not isinstance(access, Access):
            if view.needs_team and request.user.is_authenticated:
                raise NotFound(NO_SUCH_TEAM)
            return not view.needs_team and request.user.is_authenticated
        scope = view.required_scope()
        if scope is not None:
            require_scope(access, scope)
        return True


def require_scope(access: Access, scope: str) -> None:
    if scope not in access.actions:
        whose = "This key" if access.key else "Your role in this team"
        raise InsufficientScope(f"{whose} does not include {scope}.", extra={"required_scope": scope})
