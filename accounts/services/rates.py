"""Rate limits, counted in Valkey so that all processes count together.

Windows are fixed: they begin with the clock's minute, hour or day, and at their edge up to twice the limit may pass.
One atomic command counts. `KINDS` decides for each kind of limit what happens while Valkey is away.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from allauth.core.internal.ratelimit import get_ip, truncate_ip
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

from accounts.errors import AppError, Unavailable
from accounts.tracing import current_address

SECONDS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}


class WhenAway(StrEnum):
    """Behaviour of a limit while Valkey does not answer."""

    OPEN = "open"
    """Refuse nobody: the work itself is limited elsewhere."""
    CLOSED = "closed"
    """Refuse everybody with 503."""
    ALONE = "alone"
    """Count in each process by itself."""


KINDS: Mapping[str, WhenAway] = {
    "key": WhenAway.OPEN,
    "team": WhenAway.OPEN,
    "address": WhenAway.ALONE,
    "build": WhenAway.CLOSED,
    "chat": WhenAway.OPEN,
    "sign_in": WhenAway.ALONE,
    "invite": WhenAway.CLOSED,
    "share": WhenAway.OPEN,
}


class TooOften(AppError):
    status = 429
    code = "throttled"
    title = "Too many calls or tries"


@dataclass(frozen=True, slots=True)
class Usage:
    """Use of a limit in the present window."""

    limit: int
    used: int
    reset_s: int
    is_alone: bool = False
    """True if only this process counted, because Valkey is away."""

    @property
    def remaining(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def is_over(self) -> bool:
        return self.used > self.limit


def spend(kind: str, who: str) -> Usage:
    """Count one use. Return the usage."""
    return spend_all((kind, who))[0]


def spend_all(*limits: tuple[str, str]) -> list[Usage]:
    """Count one use of each (kind, who), in one round trip.

    Return their usages. Raises Unavailable if a limit is CLOSED and Valkey is away.
    """
    all_rates: Any = settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]
    now = time.time()
    windows = [_Window.of(kind, who, rate=all_rates[kind], now=now) for kind, who in limits]
    counts: list[int] | None = cache.count({w.name: w.seconds + 5 for w in windows})  # type: ignore[attr-defined]
    if counts is not None:
        return [Usage(w.limit, count, w.reset_s) for w, count in zip(windows, counts, strict=True)]
    if any(KINDS[kind] == WhenAway.CLOSED for kind, _ in limits):
        raise Unavailable("This cannot be counted just now, so it waits. Try again in a moment.", retry_after_s=5)
    return [
        Usage(w.limit, _alone.count(w.name) if KINDS[w.kind] == WhenAway.ALONE else 0, w.reset_s, is_alone=True)
        for w in windows
    ]


@dataclass(frozen=True, slots=True)
class _Window:
    """Present window of one limit: the name of its count, and the seconds until it ends."""

    kind: str
    name: str
    limit: int
    seconds: int
    reset_s: int

    @classmethod
    def of(cls, kind: str, who: str, *, rate: str, now: float) -> _Window:
        limit, seconds = parse_rate(rate)
        number = int(now // seconds)
        reset_s = max(1, int((number + 1) * seconds - now) + 1)
        return cls(kind, f"rate:{kind}:{who}:{number}", limit, seconds, reset_s)


def require(kind: str, who: str) -> None:
    """Count one use, or raise TooOften."""
    usage = spend(kind, who)
    if usage.is_over:
        raise TooOften("That was often. Wait, then try again.", retry_after_s=usage.reset_s)


def address_of(request: HttpRequest) -> str:
    """Return the client's address, behind as many proxies as TRUSTED_PROXY_COUNT says."""
    return str(get_ip(request))


def here() -> str:
    """Return the address of the current request, in the form of `address_of`. Empty in jobs and commands."""
    return str(truncate_ip(current_address.get()))


def parse_rate(rate: str) -> tuple[int, int]:
    """Parse a rate: "100/min" is (100, 60). Raises ValueError."""
    parts = re.fullmatch(r"(\d+)/([a-z]+)", rate)
    if parts is None or parts[2] not in SECONDS:
        raise ValueError(f"A rate looks like 100/min, not {rate!r}.")
    return int(parts[1]), SECONDS[parts[2]]


class _Alone:
    """Counts of one process. All are cleared when there are more than 100,000."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        with self._lock:
            if len(self._counts) > 100_000:
                self._counts.clear()
            self._counts[name] = self._counts.get(name, 0) + 1
            return self._counts[name]


_alone = _Alone()
