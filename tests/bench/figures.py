"""Figures that a module of the bench returns, and its timers."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

NO_OP = "Celery no-op round trip p50"  # baseline of the times


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. With `at_least` the target is a floor, else a ceiling; without a target it is only
    reported.

    Targets in milliseconds were set on one reference machine. With `speed`, this machine's speed relative to it, a time
    is scaled to the reference machine before the comparison (docs/adr/0017). `target_here` is a target that was
    measured on this machine.
    """

    name: str
    value: float
    unit: str = "ms"
    target: float | None = None
    at_least: bool = False
    is_of_that_machine: bool = False
    speed: float | None = None
    target_here: float | None = None

    @property
    def there(self) -> float:
        """Return the value; a time is scaled to the reference machine."""
        return self.value * self.speed if self.is_of_that_machine and self.speed else self.value

    @property
    def is_missed(self) -> bool:
        return self._misses(self.there, self.target)

    @property
    def is_missed_here(self) -> bool:
        return self._misses(self.value, self.target_here or self.target)

    def _misses(self, value: float, target: float | None) -> bool:
        if target is None:
            return False
        return value < target if self.at_least else value > target

    @property
    def ratio(self) -> float | None:
        """Return how much better than the target the value is: 2 is twice as good, below 1 is a miss."""
        if not self.target or not self.there:
            return None
        return self.there / self.target if self.at_least else self.target / self.there


def percentile(seconds: list[float], share: float) -> float:
    """Return the percentile in milliseconds, by nearest rank."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(
    name: str,
    seconds: list[float],
    p50: float | None = None,
    p99: float | None = None,
    there: list[float] | None = None,
) -> list[Figure]:
    """Return the median and the 99th percentile, each with its target in milliseconds.

    `there` are the same times scaled to the reference machine, whose speed was measured beside each of them.
    """

    def figure(part: str, share: float, target: float | None) -> Figure:
        value = percentile(seconds, share)
        speed = percentile(there, share) / value if there else None
        return Figure(name=f"{name} {part}", value=value, target=target, is_of_that_machine=True, speed=speed)

    return [figure("p50", 0.5, p50), figure("p99", 0.99, p99)]


def timed(times: int, work: Callable[[], Any]) -> list[float]:
    """Return the seconds of each call."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def together(callers: int, work: Callable[[], Any]) -> list[Any]:
    """Run the same work in that many threads at once; return all results."""
    with ThreadPoolExecutor(callers) as pool:
        return [future.result() for future in [pool.submit(work) for _ in range(callers)]]
