"""The limits of accounts/services/rates.py on calls of the API, and their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from accounts.services import rates
from accounts.tenancy import Access

if TYPE_CHECKING:
    from rest_framework.views import APIView


class RateThrottle(BaseThrottle):
    """At most the rate of that kind, for each person with all their keys, or address of nobody known."""

    scope: str

    def allow_request(self, request: Request, view: APIView) -> bool:
        usages = _spend(request, *self.limits(request))
        self.reset_s = max((usage.reset_s for usage in usages if usage.is_over), default=0)
        return self.reset_s == 0

    def limits(self, request: Request) -> list[tuple[str, str]]:
        return [(self.scope, _caller(request))]

    def wait(self) -> float:
        return float(self.reset_s)


class KeyThrottle(RateThrottle):
    """The limits on every call of the API: of the person, and of the team that the call acts in."""

    scope = "key"

    def limits(self, request: Request) -> list[tuple[str, str]]:
        of_team = [("team", f"team:{request.auth.team.pk}")] if isinstance(request.auth, Access) else []
        return [*super().limits(request), *of_team]


class AddressThrottle(RateThrottle):
    """The limit on calls of nobody known."""

    scope = "address"


class BuildThrottle(RateThrottle):
    """The limit on starting builds."""

    scope = "build"


class ChatThrottle(RateThrottle):
    """The limit on messages to agents."""

    scope = "chat"


def count_stranger(request: Request) -> None:
    """Count a call with no key, or a wrong one, against its address. Raises Throttled."""
    (usage,) = _spend(request, ("address", f"address:{rates.address_of(request._request)}"))
    if usage.is_over:
        raise Throttled(usage.reset_s)


def put_rate_headers(request: Request, response: Response) -> None:
    """Tell the caller what is left of the limit that this call counted against."""
    usage: rates.Usage | None = getattr(request, "rate_usage", None)
    if usage is not None:
        response["RateLimit-Limit"] = str(usage.limit)
        response["RateLimit-Remaining"] = str(usage.remaining)
        response["RateLimit-Reset"] = str(usage.reset_s)


def _spend(request: Request, *limits: tuple[str, str]) -> list[rates.Usage]:
    """Count against each limit. Of several the headers tell of the one with the least left."""
    usages = rates.spend_all(*limits)
    before: rates.Usage | None = getattr(request, "rate_usage", None)
    request.rate_usage = min(  # type: ignore[attr-defined]
        [*usages, *([before] if before else [])], key=lambda usage: usage.remaining
    )
    return usages


def _caller(request: Request) -> str:
    """The person, also behind a key: more keys allow no more calls."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"address:{rates.address_of(request._request)}"
