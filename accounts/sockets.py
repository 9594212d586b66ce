"""Authentication of WebSockets by browser session, API key or access token. Sessions count only from our own pages."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.request import split_domain_port, validate_host
from django.utils import timezone

from accounts.models import ApiKey, Membership, TokenFamily, User
from accounts.models.roles import ACTIONS
from accounts.services import keys, tokens
from accounts.tenancy import Access, access_of_member

READERS = frozenset(role for role, actions in ACTIONS.items() if "runs:read" in actions)
"""Roles that may see runs."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Authenticated person or API key.

    A person has `user_id`, `password_mark`, and `session_key` or `family_id`. A key has `key_id`, `team_id`, and
    `maker_id`, the person who made it.
    """

    user_id: Any = None
    password_mark: str = ""
    session_key: str = ""
    family_id: Any = None
    key_id: Any = None
    team_id: Any = None
    maker_id: Any = None

    @property
    def name(self) -> str:
        """Name under which limits count: the person's, also behind a key."""
        return f"user:{self.maker_id or self.user_id}"


def password_mark(user: User) -> str:
    """Return a mark that changes with the password, so that older sockets are closed."""
    return hashlib.sha256(user.password.encode()).hexdigest()


def http_caller(request: HttpRequest) -> Caller | None:
    """Return the caller of an HTTP request.

    The credential is an API key or access token, else the browser's session. None for others.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return _caller_of_token(token.strip())
    return _caller_of(request.user, request.session) if request.user.is_authenticated else None


def _caller_of(user: User, session: SessionBase) -> Caller:
    return Caller(user_id=user.pk, password_mark=password_mark(user), session_key=session.session_key or "")


def _caller_of_token(token: str) -> Caller | None:
    """Return the caller of an API key or access token, or None.

    The access token may expire while the socket is open, but its family must stay live.
    """
    if not tokens.is_token(token):
        return _caller_of_key(token)
    family = tokens.family_of_access(token)
    if family is None:
        return None
    return Caller(user_id=family.user_id, password_mark=password_mark(family.user), family_id=family.pk)


def _caller_of_key(token: str) -> Caller | None:
    key = keys.find_key(token)
    if key is None or "runs:read" not in key.scopes:
        return None
    return Caller(key_id=key.pk, team_id=key.team_id, maker_id=key.created_by_id)


class SocketAuth:
    """ASGI middleware that sets scope["caller"], and refuses handshakes from other sites with 403."""

    def __init__(self, app: Any) -> None:
        self._by_session = AuthMiddlewareStack(_SessionCaller(app))
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        scope = scope | {"caller": None}
        headers = dict(scope["headers"])
        protocols = scope.get("subprotocols", [])
        if not _host_is_ours(headers):
            await send({"type": "websocket.close", "code": 4403})
        elif len(protocols) == 2 and protocols[0] == "bearer":
            await self._app(
                scope | {"caller": await database_sync_to_async(_caller_of_token)(protocols[1])}, receive, send
            )
        elif not _is_same_origin(headers):
            await send({"type": "websocket.close", "code": 4403})
        else:
            await self._by_session(scope, receive, send)


class _SessionCaller:
    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        user = scope["user"]
        caller = _caller_of(user, scope["session"]) if user.is_authenticated else None
        await self._app(scope | {"caller": caller}, receive, send)


def _host_is_ours(headers: dict[bytes, bytes]) -> bool:
    domain, _ = split_domain_port(headers.get(b"host", b"").decode("latin-1"))
    return bool(domain) and validate_host(domain, settings.ALLOWED_HOSTS)


def _is_same_origin(headers: dict[bytes, bytes]) -> bool:
    """Return True if Origin has exactly our scheme, host and port. A missing or `null` origin is not a page of ours."""
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    parts = urlsplit(origin)
    scheme = "https" if settings.IS_HTTPS else "http"
    return origin == f"{parts.scheme}://{parts.netloc}" and parts.netloc == host and parts.scheme == scheme


def callers_team_ids(caller: Caller, roles: Collection[str] = READERS) -> list[Any]:
    """Return the ids of the teams that the caller may see now. Empty if access has ended."""
    return teams_of([caller], roles)[caller]


def people_of(callers: Collection[Caller]) -> dict[Caller, Any]:
    """Return the id of the person behind each caller; behind a key, its maker."""
    keys = ApiKey.objects.filter(pk__in={caller.key_id for caller in callers if caller.key_id})
    makers = dict(keys.values_list("pk", "created_by_id"))
    return {caller: makers.get(caller.key_id) if caller.key_id else caller.user_id for caller in callers}


def access_of(caller: Caller, team_id: Any) -> Access | None:
    """Return the present access to that team of the person behind the caller, or None."""
    user_id = people_of([caller])[caller]
    membership = Membership.objects.select_related("team").filter(team=team_id, user=user_id).first()
    return access_of_member(membership) if membership else None


def teams_of(callers: Collection[Caller], roles: Collection[str] = READERS) -> dict[Caller, list[Any]]:
    """Return {caller: ids of the teams that it may see now}.

    It takes as many queries as for one caller. A key always needs `runs:read`.
    """
    keys_asked = {caller.key_id for caller in callers if caller.key_id}
    users_asked = {caller.user_id for caller in callers if not caller.key_id}
    keys = ApiKey.objects.live().filter(pk__in=keys_asked)
    team_of_key = {key.pk: key.team_id for key in keys if "runs:read" in key.scopes and key.maker_role in READERS}
    marks = {user.pk: password_mark(user) for user in User.objects.filter(pk__in=users_asked, is_active=True)}
    sessions = {caller.session_key for caller in callers if caller.session_key}
    open_sessions = set(_sessions(sessions)) if sessions else set()
    families = {caller.family_id for caller in callers if caller.family_id}
    live_families = (
        set(TokenFamily.objects.live().filter(pk__in=families).values_list("pk", flat=True)) if families else ()
    )
    teams_of_user: dict[Any, list[Any]] = defaultdict(list)
    memberships = Membership.objects.filter(user__in=marks.keys(), role__in=roles)
    for user_id, team_id in memberships.values_list("user_id", "team_id"):
        teams_of_user[user_id].append(team_id)

    def teams(caller: Caller) -> list[Any]:
        if caller.key_id:
            return [team_of_key[caller.key_id]] if caller.key_id in team_of_key else []
        has_signed_out = caller.session_key and caller.session_key not in open_sessions
        has_signed_out = has_signed_out or (caller.family_id and caller.family_id not in live_families)
        if has_signed_out or marks.get(caller.user_id) != caller.password_mark:
            return []
        return teams_of_user[caller.user_id]

    return {caller: teams(caller) for caller in callers}


def _sessions(session_keys: Collection[str]) -> QuerySet[Session, str]:
    """Return those session keys that are still open: signing out deletes the row."""
    found = Session.objects.filter(session_key__in=session_keys, expire_date__gt=timezone.now())
    return found.values_list("session_key", flat=True)
