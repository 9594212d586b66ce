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
    """One line of the table. With `at_least` the target is a floor, else a ceiling; without a target it only tells.

    A target in milliseconds was set on one machine. With `speed`, how fast this one is beside that one, a time is held
    to its target as it would be there (docs/adr/0017). `target_here` is for a target that was measured here.
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
        """The value, a time as it would be on the machine of the targets."""
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
        """How much better than the target: 2 is twice as good, below 1 is a miss."""
        if not self.target or not self.there:
            return None
        return self.there / self.target if self.at_least else self.target / self.there


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds, nearest rank."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(
    name: str,
    seconds: list[float],
    p50: float | None = None,
    p99: float | None = None,
    there: list[float] | None = None,
) -> list[Figure]:
    """The middle and the tail of some times, each with its target in milliseconds. `there` are the same times as they
    would be on the machine of the targets, where the speed was measured beside each of them.
    """

    def figure(part: str, share: float, target: float | None) -> Figure:
        value = percentile(seconds, share)
        speed = percentile(there, share) / value if there else None
        return Figure(name=f"{name} {part}", value=value, target=target, is_of_that_machine=True, speed=speed)

    return [figure("p50", 0.5, p50), figure("p99", 0.99, p99)]


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
