"""JWT pairs of people who call the API.

The access token is short-lived, the refresh token is for one use. The signature only finds the row of the family; the
row decides. A family that is revoked, expired, of a disabled person or older than the password is refused from the
next request on.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from hmac import compare_digest
from typing import Any
from uuid import UUID, uuid4

import jwt
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts import audit
from accounts.errors import AppError
from accounts.models import TokenFamily, User
from accounts.services import known_addresses

log = logging.getLogger(__name__)
ALGORITHM = "HS256"
ACCESS, REFRESH = "access", "refresh"


class InvalidToken(AppError):
    status = 401
    code = "invalid_token"
    title = "The key or session is not valid"


@dataclass(frozen=True, slots=True)
class Pair:
    access: str
    refresh: str
    expires_in: int
    """Seconds until the access token expires."""


@transaction.atomic
def issue_pair(*, user: User, user_agent: str = "") -> Pair:
    """Start a family for a person who has just proved who they are. Deletes their expired families."""
    now = timezone.now()
    TokenFamily.objects.filter(user=user, expires_at__lt=now).delete()
    family = TokenFamily.objects.create(
        user=user,
        session_hash=user.get_session_auth_hash(),
        user_agent=user_agent[:200],
        expires_at=now + settings.REFRESH_TOKEN_LIFETIME,
    )
    audit.record_person(person=user, actor=user, action="session.signed_in", by="token")
    known_addresses.remember(user)
    return _pair(family)


def rotate(refresh: str) -> Pair:
    """Exchange a refresh token for the next pair.

    A used token ends its whole family: either the thief or the owner is late, and nobody can tell which. Raises
    InvalidToken.
    """
    claims = _claims(refresh, REFRESH)
    family = _live(claims.get("fam")) if claims else None
    if claims is None or family is None:
        raise InvalidToken("This refresh token is mistyped, used, revoked or expired. Sign in again.")
    used, fresh, now = _uuid(claims.get("jti")), uuid4(), timezone.now()
    end = now + settings.REFRESH_TOKEN_LIFETIME
    still_good = TokenFamily.objects.filter(pk=family.pk, current=used, revoked_at__isnull=True)
    if not still_good.update(current=fresh, last_used_at=now, expires_at=end):
        _end_stolen(family)
        log.warning("A used refresh token of %s came again; its family is revoked.", family.user_id)
        raise InvalidToken("This refresh token was used before, so all tokens of its sign-in are void. Sign in again.")
    family.current = fresh
    return _pair(family)


@transaction.atomic
def end_sign_in(refresh: str) -> None:
    """Revoke the family of a refresh token, used or not. All its tokens are void at once. Other texts are ignored."""
    claims = _claims(refresh, REFRESH)
    family = _live(claims.get("fam")) if claims else None
    if family is None or not revoke_family(family_id=family.pk):
        return
    audit.record_person(person=family.user, actor=family.user, action="session.signed_out", by="token")


def family_of_access(token: str) -> TokenFamily | None:
    """Return the live family of an access token with its person. None for any other text."""
    claims = _claims(token, ACCESS)
    return _live(claims.get("fam")) if claims else None


def families_of(user: User) -> QuerySet[TokenFamily]:
    """Return the person's live families, most recently used first."""
    live = TokenFamily.objects.live().filter(user=user, session_hash=user.get_session_auth_hash())
    return live.order_by("-last_used_at")


def revoke_family(*, family_id: UUID) -> bool:
    """Revoke the family. Return False if it was revoked before."""
    live = TokenFamily.objects.filter(pk=family_id, revoked_at__isnull=True)
    return bool(live.update(revoked_at=timezone.now()))


@transaction.atomic
def _end_stolen(family: TokenFamily) -> None:
    """Revoke the family of a reused refresh token. The logs of the person's teams record it."""
    revoke_family(family_id=family.pk)
    why = "a used refresh token came again"
    audit.record_person(person=family.user, actor=None, action="session.ended", count=1, why=why)


def revoke_tokens(*, user: User) -> int:
    """Sign the person out of every API client. Return how many."""
    return TokenFamily.objects.filter(user=user, revoked_at__isnull=True).update(revoked_at=timezone.now())


def is_token(text: str) -> bool:
    """Return True if the text has the form of a JWT; an API key never has."""
    return text.count(".") == 2 and not text.startswith("dh_")


def _live(family_id: Any) -> TokenFamily | None:
    family = TokenFamily.objects.live().select_related("user").filter(pk=_uuid(family_id)).first()
    if family is None or not compare_digest(family.session_hash, family.user.get_session_auth_hash()):
        return None
    return family


def _uuid(text: Any) -> UUID:
    """Return the id in a claim. For other texts it is the nil UUID, which no row has."""
    try:
        return UUID(str(text))
    except ValueError:
        return UUID(int=0)


def _pair(family: TokenFamily) -> Pair:
    short: timedelta = settings.ACCESS_TOKEN_LIFETIME
    access = _signed(family, typ=ACCESS, jti=str(uuid4()), exp=timezone.now() + short)
    refresh = _signed(
        family, typ=REFRESH, jti=str(family.current), exp=timezone.now() + settings.REFRESH_TOKEN_LIFETIME
    )
    return Pair(access=access, refresh=refresh, expires_in=int(short.total_seconds()))


def _signed(family: TokenFamily, **claims: Any) -> str:
    body = {"sub": str(family.user_id), "fam": str(family.pk), "iat": timezone.now(), **claims}
    return jwt.encode(body, _secret(), algorithm=ALGORITHM)


def _claims(token: str, kind: str) -> dict[str, Any] | None:
    required = ["exp", "sub", "fam", "jti", "typ"]
    try:
        claims: dict[str, Any] = jwt.decode(token, _secret(), algorithms=[ALGORITHM], options={"require": required})
    except jwt.InvalidTokenError:
        return None
    return claims if claims["typ"] == kind else None


def _secret() -> bytes:
    """Derive a key of its own. No other signed value can pass as a token then."""
    return salted_hmac("deskhand.tokens", "", algorithm="sha256").digest()
