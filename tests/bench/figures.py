"""Figures that a module of the bench returns, and its timers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

DBOS = "DBOS: "
"""Prefix of the names of DBOS's own figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. With `at_least` the target is a floor, else a ceiling; without a target it is only
    reported.

    `against` names the figure of the same run that this one is compared with: then the target is for the ratio of the
    two, and nothing is held to the constants of another machine (docs/adr/0024-the-bench-holds-ratios-of-one-run.md).
    """

    name: str
    value: float
    unit: str = "ms"
    target: float | None = None
    at_least: bool = False
    against: str = ""
    other: float | None = None
    """The value of the figure that `against` names; `compared` fills it in."""
    binds: str = ""
    """Limiting factor of this figure, for the line that reports a miss."""

    @property
    def ratio(self) -> float | None:
        return self.value / self.other if self.other else None

    @property
    def to_dbos(self) -> float | None:
        return self.ratio if self.against.startswith(DBOS) else None

    @property
    def held(self) -> float | None:
        """Return the value held to the target: the ratio, or the value itself without a comparison."""
        return self.ratio if self.against else self.value

    @property
    def is_missed(self) -> bool:
        if self.target is None or self.held is None:
            return False
        return self.held < self.target if self.at_least else self.held > self.target


def compared(figures: Sequence[Figure]) -> list[Figure]:
    """The figures, each with the value of the one it is compared with, if that was measured in this run."""
    values = {figure.name: figure.value for figure in figures}
    return [replace(figure, other=values.get(figure.against)) for figure in figures]


def percentile(seconds: list[float], share: float) -> float:
    """Return the percentile in milliseconds, by nearest rank."""
    ordered = sorted(seconds)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency(
    name: str,
    seconds: list[float],
    *,
    p50: float | None = None,
    p99: float | None = None,
    against: str = "",
    p99_against: str | None = None,
) -> list[Figure]:
    """The middle and the tail of some times, each with its target: milliseconds, or a multiple of `against`."""
    tail = against if p99_against is None else p99_against
    return [
        Figure(name=f"{name} p50", value=percentile(seconds, 0.5), target=p50, against=against),
        Figure(name=f"{name} p99", value=percentile(seconds, 0.99), target=p99, against=tail),
    ]


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
