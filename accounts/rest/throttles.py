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
    """At most the rate of that kind, for each key, person, or address of nobody known."""

    scope: str

    def allow_request(self, request: Request, view: APIView) -> bool:
        usage = _spend(request, self.scope, _caller(request))
        self.reset_s = usage.reset_s
        return not usage.is_over

    def wait(self) -> float:
        return float(self.reset_s)


class KeyThrottle(RateThrottle):
    """The limit on every call of the API."""

    scope = "key"


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
    usage = _spend(request, "address", f"address:{rates.address_of(request._request)}")
    if usage.is_over:
        raise Throttled(usage.reset_s)


def put_rate_headers(request: Request, response: Response) -> None:
    """Tell the caller what is left of the limit that this call counted against."""
    usage: rates.Usage | None = getattr(request, "rate_usage", None)
    if usage is not None:
        response["RateLimit-Limit"] = str(usage.limit)
        response["RateLimit-Remaining"] = str(usage.remaining)
        response["RateLimit-Reset"] = str(usage.reset_s)


def _spend(request: Request, kind: str, who: str) -> rates.Usage:
    """Of several limits the headers tell of the one with the least left."""
    usage = rates.spend(kind, who)
    before: rates.Usage | None = getattr(request, "rate_usage", None)
    if before is None or usage.remaining <= before.remaining:
        request.rate_usage = usage  # type: ignore[attr-defined]
    return usage


def _caller(request: Request) -> str:
    access = request.auth
    if isinstance(access, Access) and access.key:
        return f"key:{access.key.pk}"
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"address:{rates.address_of(request._request)}"
