"""Throttles of the API, on the limits of accounts/services/rates.py, and their headers."""

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
    """Limit of one kind for each person, or each address of anonymous callers. All keys of a person count together."""

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
    """Limits of every API call: one for the person, one for the team."""

    scope = "key"

    def limits(self, request: Request) -> list[tuple[str, str]]:
        of_team = [("team", f"team:{request.auth.team.pk}")] if isinstance(request.auth, Access) else []
        return [*super().limits(request), *of_team]


class AddressThrottle(RateThrottle):
    """Limit of anonymous calls."""

    scope = "address"


class BuildThrottle(RateThrottle):
    """Limit of started builds."""

    scope = "build"


class ChatThrottle(RateThrottle):
    """Limit of messages to agents."""

    scope = "chat"


def count_stranger(request: Request) -> None:
    """Count a call without a valid key against its address. Raises Throttled."""
    (usage,) = _spend(request, ("address", f"address:{rates.address_of(request._request)}"))
    if usage.is_over:
        raise Throttled(usage.reset_s)


def put_rate_headers(request: Request, response: Response) -> None:
    """Add the RateLimit headers of the limit that this call counted against."""
    usage: rates.Usage | None = getattr(request, "rate_usage", None)
    if usage is not None:
        response["RateLimit-Limit"] = str(usage.limit)
        response["RateLimit-Remaining"] = str(usage.remaining)
        response["RateLimit-Reset"] = str(usage.reset_s)


def _spend(request: Request, *limits: tuple[str, str]) -> list[rates.Usage]:
    """Count against each limit, and keep the one with the least left for the headers."""
    usages = rates.spend_all(*limits)
    before: rates.Usage | None = getattr(request, "rate_usage", None)
    request.rate_usage = min(  # type: ignore[attr-defined]
        [*usages, *([before] if before else [])], key=lambda usage: usage.remaining
    )
    return usages


def _caller(request: Request) -> str:
    """Return the name that is counted. It is the person's, also behind a key, so that more keys allow no more calls."""
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"address:{rates.address_of(request._request)}"
