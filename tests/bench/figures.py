"""What a module of the bench returns, and how it counts time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

NO_OP = "Celery no-op round trip p50"  # what times are compared with


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. With `at_least` the target is a floor, else a ceiling; without a target it only tells."""

    name: str
    value: float
    unit: str = "ms"
    target: float | None = None
    at_least: bool = False

    @property
    def is_missed(self) -> bool:
        if self.target is None:
            return False
        return self.value < self.target if self.at_least else self.value > self.target

    @property
    def ratio(self) -> float | None:
        """How much better than the target: 2 is twice as good, below 1 is a miss."""
        if not self.target or not self.value:
            return None
        return self.value / self.target if self.at_least else self.target / self.value


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds, nearest rank."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(name: str, seconds: list[float], p50: float | None = None, p99: float | None = None) -> list[Figure]:
    """The middle and the tail of some times, each with its target in milliseconds."""
    return [
        Figure(name=f"{name} p50", value=percentile(seconds, 0.5), target=p50),
        Figure(name=f"{name} p99", value=percentile(seconds, 0.99), target=p99),
    ]


def timed(times: int, work: Callable[[], Any]) -> list[float]:
    """Seconds of each call."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def together(callers: int, work: Callable[[], Any]) -> list[Any]:
    """The same work by so many callers at once."""
    with ThreadPoolExecutor(callers) as pool:
        return [future.result() for future in [pool.submit(work) for _ in range(callers)]]
