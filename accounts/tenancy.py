"""Who may do what in which team: one table, asked at the edges (pages, API, sockets)."""

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

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Access:
    """In which team a caller of the API acts, and what they may do there."""

    team: Team
    actions: frozenset[str]
    key: ApiKey | None = None


def access_of_member(membership: Membership) -> Access:
    return Access(team=membership.team, actions=ACTIONS.get(membership.role, frozenset()))


def access_of_key(key: ApiKey, role: str) -> Access:
    """A key can never do more than the person who made it can do today."""
    return Access(team=key.team, actions=ACTIONS.get(role, frozenset()) & frozenset(key.scopes), key=key)


class TeamRequest(HttpRequest):
    """A request by a signed-in person inside one team."""

    user: User
    team: Team
    role: str


def may(role: str, action: str) -> bool:
    return action in ACTIONS.get(role, frozenset())


def require(request: Any, action: str) -> None:
    """Raise Forbidden when the person's role does not include the action."""
    if not may(request.role, action):
        raise Forbidden("Your role in this team does not allow that. A team admin can change it.")


def membership_of(user: Any, slug: str) -> Membership | None:
    if not user.is_authenticated:
        return None
    return Membership.objects.select_related("team").filter(user=user, team__slug=slug, user__is_active=True).first()


def team_required(
    view: Callable[Concatenate[TeamRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, str, P], HttpResponseBase]:
    """Give a page view `/t/<team>/…` its `request.team` and `request.role`; an outsider gets 404."""

    @login_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest, team: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        membership = membership_of(request.user, team)
        if membership is None:
            raise NotFound("There is nothing here, or it belongs to another team.")
        request.team, request.role = membership.team, membership.role  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)  # type: ignore[arg-type]

    return cast(Callable[Concatenate[HttpRequest, str, P], HttpResponseBase], wrapped)
