"""Authentication of API calls by key, JWT or browser session. Each sets an `Access` as `request.auth`."""

from __future__ import annotations

from typing import cast

from rest_framework import authentication
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied
from rest_framework.request import Request

from accounts.errors import Forbidden, NotFound
from accounts.models import Membership, User
from accounts.services import keys, tokens
from accounts.tenancy import Access, access_of_key, access_of_member
from accounts.tracing import current_key_label

BEARER = 'Bearer realm="deskhand"'


class CsrfFailed(Forbidden):
    code = "csrf_failed"
    title = "The request did not come from our pages"


class TokenAuthentication(authentication.BaseAuthentication):
    """Authentication by `Authorization: Bearer <JWT>` from `/auth/token/`. The team is chosen as with a session."""

    def authenticate(self, request: Request) -> tuple[User, Access | None] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not tokens.is_token(token.strip()):
            return None
        family = tokens.family_of_access(token.strip())
        if family is None:
            raise AuthenticationFailed("This access token is mistyped, revoked or expired.", code="invalid_token")
        return family.user, _access_of(family.user, request)

    def authenticate_header(self, request: Request) -> str:
        return BEARER


class ApiKeyAuthentication(authentication.BaseAuthentication):
    """Authentication by `Authorization: Bearer dh_…`. Any other value of that header is refused."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            return None
        key = keys.find_key(token.strip()) if scheme.lower() == "bearer" else None
        if key is None or key.created_by is None:
            raise AuthenticationFailed("This key is mistyped, revoked or expired.", code="invalid_token")
        wanted = request.headers.get("X-Team")
        if wanted is not None and wanted != key.team.slug:
            raise NotFound("This key belongs to another team than the header X-Team names.")
        keys.touch_key(key)
        current_key_label.set(str(key))
        return key.created_by, access_of_key(key, key.maker_role)

    def authenticate_header(self, request: Request) -> str:
        return BEARER


class SessionAuthentication(authentication.SessionAuthentication):
    """Authentication by the browser's session, with CSRF.

    The team is the header `X-Team`, else the person's first team.
    """

    def authenticate(self, request: Request) -> tuple[User, Access | None] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = cast(User, found[0])
        return user, _access_of(user, request)

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise CsrfFailed("Send the page's CSRF token in the header X-CSRFToken, from the same site.") from None


def _access_of(user: User, request: Request) -> Access | None:
    """Return the access to the team that `X-Team` names, else to the person's first team.

    None if they are in no such team.
    """
    memberships = Membership.objects.select_related("team").filter(user=user).order_by("id")
    wanted = request.headers.get("X-Team")
    membership = (memberships.filter(team__slug=wanted) if wanted is not None else memberships).first()
    return access_of_member(membership) if membership else None
