"""API keys `dh_<prefix>_<secret>`. The secret has 256 random bits, so that storing one SHA-256 of it is safe."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts import audit
from accounts.errors import FieldError, Forbidden, InvalidInput
from accounts.models import ApiKey, Membership, Team, User
from accounts.models.roles import ACTIONS, SCOPES
from accounts.prepared_sql import Param, PreparedQuery
from accounts.services.members import lock_team

_TOKEN = re.compile(r"dh_(?P<prefix>[0-9a-f]{10})_(?P<secret>[A-Za-z0-9_-]{43})")
TOUCH_EVERY = timedelta(minutes=1)
"""Least time between two updates of `last_used_at`."""
_LIVE_KEY = PreparedQuery(lambda: ApiKey.objects.live().filter(prefix=Param("prefix")))


@transaction.atomic
def create_key(
    *,
    team: Team,
    actor: User,
    name: str,
    scopes: Iterable[str],
    expires_at: datetime | None = None,
    within: frozenset[str] | None = None,
) -> tuple[ApiKey, str]:
    """Create a key.

    Return it with its token, which is stored nowhere. `within` are the caller's actions if they are fewer than the
    role's (a key that makes a key). Raises InvalidInput, Forbidden.
    """
    scopes = tuple(dict.fromkeys(scopes))
    team = lock_team(
        team
    )  # whoever is removed at this moment gets no key that would open the team again when they return
    membership = Membership.objects.filter(team=team, user=actor).first()
    granted = ACTIONS.get(membership.role, frozenset()) if membership else frozenset()
    _check(name=name, scopes=scopes, expires_at=expires_at)
    if not set(scopes) <= (granted if within is None else granted & within):
        raise Forbidden("A key cannot be allowed more than you are in this team.")

    prefix, secret = secrets.token_hex(5), secrets.token_urlsafe(32)
    key = ApiKey.objects.create(
        team=team,
        name=name.strip(),
        prefix=prefix,
        secret_sha256=_digest(secret),
        scopes=list(scopes),
        created_by=actor,
        expires_at=expires_at,
    )
    audit.record(team=team, actor=actor, action="api_key.created", target=key, scopes=list(scopes))
    return key, f"dh_{prefix}_{secret}"


@transaction.atomic
def revoke_key(*, key: ApiKey, actor: User) -> ApiKey:
    """Revoke a key for good. A repeat changes nothing."""
    if ApiKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=timezone.now()):
        audit.record(team=key.team, actor=actor, action="api_key.revoked", target=key)
    key.refresh_from_db(fields=["revoked_at"])
    return key


def find_key(token: str) -> ApiKey | None:
    """Return the live key of that token with its team and maker. None for any other text."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    key = _LIVE_KEY.first(prefix=parts["prefix"])
    if key is None or not hmac.compare_digest(key.secret_sha256, _digest(parts["secret"])):
        return None
    return key


def touch_key(key: ApiKey) -> None:
    """Record the use of a key, at most once a minute."""
    now = timezone.now()
    if key.last_used_at is None or key.last_used_at < now - TOUCH_EVERY:
        stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - TOUCH_EVERY)
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(*, name: str, scopes: tuple[str, ...], expires_at: datetime | None) -> None:
    wrong: list[FieldError] = []
    if not 1 <= len(name.strip()) <= 80:
        wrong.append(FieldError("name", "invalid", "Give the key a name of 1 to 80 characters."))
    if not scopes:
        wrong.append(FieldError("scopes", "required", "Choose at least one scope."))
    for scope in scopes:
        if scope not in SCOPES:
            wrong.append(FieldError("scopes", "invalid_choice", f"There is no scope “{scope[:30]}”."))
    if expires_at is not None and expires_at <= timezone.now():
        wrong.append(FieldError("expires_at", "invalid", "The end must lie in the future."))
    if wrong:
        raise InvalidInput(" ".join(error.message for error in wrong), fields=wrong)
