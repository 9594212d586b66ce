"""How long this process may believe that a run is its own, by its own clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> float:
    """Seconds on a clock that runs on while the process is stopped, and where it can while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


@dataclass(slots=True)
class Lease:
    """Ends here no later than in the database: it is counted from before the database was asked.

    Writes need no look at it, they are fenced by the epoch. It is for what cannot be fenced: a call to the world.
    """

    until: float

    def is_over(self) -> bool:
        return now() >= self.until
