"""Leases of runs by this process's own clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Return the seconds of a clock that runs while the process is stopped.

    Where possible, it also runs while the machine sleeps.
    """
    return time.clock_gettime(_CLOCK)


@dataclass(slots=True)
class Lease:
    """Lease that ends here no later than in the database.

    It is counted from before the database was asked. Writes do not need it, because the epoch fences them. It is for
    what cannot be fenced: calls to the outside.
    """

    until: float

    def is_over(self) -> bool:
        return now() >= self.until
