"""Permissions in a team: one table of roles, asked at the edges (pages, API, sockets)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from accounts.errors import Forbidden, NotFound
from accounts.models import ApiKey, Membership, Team, User
from accounts.models.roles import ACTIONS as ACTIONS
from accounts.models.roles import SCOPES as SCOPES
from accounts.models.roles import SEES_EVERY_AGENT

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Access:
    """Team in which a caller acts, with the actions that they may perform there."""

    team: Team
    actions: frozenset[str]
    key: ApiKey | None = None
    role: str = ""
    """Role of the person, or of the key's maker, in the team."""
    user_id: Any = None

    @property
    def sees_every_agent(self) -> bool:
        return self.role in SEES_EVERY_AGENT


def access_of_member(membership: Membership) -> Access:
    role = membership.role
    return Access(team=membership.team, actions=ACTIONS.get(role, frozenset()), role=role, user_id=membership.user_id)


def access_of_key(key: ApiKey, role: str) -> Access:
    """Return the access of a key: never more than its maker may do today."""
    actions = ACTIONS.get(role, frozenset()) & frozenset(key.scopes)
    return Access(team=key.team, actions=actions, key=key, role=role, user_id=key.created_by_id)


class TeamRequest(HttpRequest):
    """Request of a signed-in person inside one team."""

    user: User
    team: Team
    role: str
    access: Access


def may(role: str, action: str) -> bool:
    return action in ACTIONS.get(role, frozenset())


def require(request: Any, action: str) -> None:
    """Raise Forbidden if the person's role does not include the action."""
    if not may(request.role, action):
        raise Forbidden("Your role in this team does not allow that. A team admin can change it.")


def membership_of(user: Any, slug: str) -> Membership | None:
    if not user.is_authenticated:
        return None
    return Membership.objects.select_related("team").filter(user=user, team__slug=slug, user__is_active=True).first()


def enter_team(request: HttpRequest, slug: str) -> bool:
    """Set `request.team`, `request.role` and `request.access`. Return False for somebody who is no member."""
    membership = membership_of(request.user, slug)
    if membership is None:
        return False
    request.team, request.role = membership.team, membership.role  # type: ignore[attr-defined]
    request.access = access_of_member(membership)  # type: ignore[attr-defined]
    return True


View = Callable[Concatenate[TeamRequest, P], HttpResponseBase]
Wrapped = Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]


def membership_required(view: View[P]) -> Wrapped[P]:
    """Decorate a page view `/t/<team>/…`: set its team, role and access. An outsider gets 404."""

    @login_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest, team: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not enter_team(request, team):
            raise NotFound("This doesn’t exist, or you don’t have access to it.")
        return view(request, *args, **kwargs)  # type: ignore[arg-type]

    return cast(Wrapped[P], wrapped)


def team_required(view: View[P]) -> Wrapped[P]:
    """Decorate a page view of agents, tasks or runs.

    It is like `membership_required`, and the role must include `runs:read`.
    """

    @functools.wraps(view)
    def wrapped(request: TeamRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        require(request, "runs:read")
        return view(request, *args, **kwargs)

    return membership_required(cast(View[P], wrapped))
