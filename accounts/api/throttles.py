"""How often a key or a person may call. Counted in the cache by fixed windows; without a cache nobody is refused."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from allauth.core.internal.ratelimit import get_ip
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from accounts.tenancy import Access

if TYPE_CHECKING:
    from rest_framework.views import APIView

SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a limit is left in the present window."""

    limit: int
    remaining: int
    reset_s: int


class RateThrottle(BaseThrottle):
    """At most `DEFAULT_THROTTLE_RATES[scope]`, such as "100/min", for each key or person."""

    scope: str

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit, window_s = parse_rate(str(api_settings.DEFAULT_THROTTLE_RATES[self.scope]))
        now = time.time()
        window = int(now // window_s)
        cache_key = f"rate:{self.scope}:{_caller(request)}:{window}"
        self.reset_s = max(1, int((window + 1) * window_s - now) + 1)
        used: int = cache.count(cache_key, timeout=window_s + 5)  # type: ignore[attr-defined]
        usage = Usage(limit=limit, remaining=max(0, limit - used), reset_s=self.reset_s)
        before: Usage | None = getattr(request, "rate_usage", None)
        if before is None or usage.remaining <= before.remaining:
            request.rate_usage = usage  # type: ignore[attr-defined]
        return used <= limit

    def wait(self) -> float:
        return float(self.reset_s)


class KeyThrottle(RateThrottle):
    """The limit on every call of the API."""

    scope = "key"


class AddressThrottle(RateThrottle):
    """The limit on calls of nobody known."""

    scope = "address"


def put_rate_headers(request: Request, response: Response) -> None:
    """Tell the caller what is left of the limit that this call counted against."""
    usage: Usage | None = getattr(request, "rate_usage", None)
    if usage is not None:
        response["RateLimit-Limit"] = str(usage.limit)
        response["RateLimit-Remaining"] = str(usage.remaining)
        response["RateLimit-Reset"] = str(usage.reset_s)


def parse_rate(rate: str) -> tuple[int, int]:
    """ "100/min" → (100, 60)."""
    parts = re.fullmatch(r"(\d+)/([a-z]+)", rate)
    if parts is None or parts[2] not in SECONDS:
        raise ValueError(f"A rate looks like 100/min, not {rate!r}.")
    return int(parts[1]), SECONDS[parts[2]]


def _caller(request: Request) -> str:
    access = request.auth
    if isinstance(access, Access) and access.key:
        return f"key:{access.key.pk}"
    if request.user.is_authenticated:
        return f"user:{request.user.pk}"
    return f"address:{get_ip(request._request)}"
