"""History of the clients: what they did and which responses they got, for the checker."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass
class Start:
    """One run that a client wanted, under one Idempotency-Key, however often it had to ask."""

    key: str
    kind: str
    order: str
    runs: list[str] = field(default_factory=list)
    """Run id of each 201."""
    lost: int = 0
    """Calls without a response."""
    refused: str = ""


@dataclass(frozen=True)
class Cancel:
    run: str
    at: float
    """Time at which the 200 had been read."""


@dataclass
class View:
    """Events that one viewer saw of one run over all its connections."""

    run: str
    seen: list[int] = field(default_factory=list)
    connections: int = 0
    has_ended: bool = False
    trouble: list[str] = field(default_factory=list)

    @property
    def cursor(self) -> int:
        return self.seen[-1] if self.seen else 0

    def take(self, seq: int) -> None:
        if seq != self.cursor + 1:
            self.trouble.append(f"{seq} after {self.cursor} at connection {self.connections}")
        self.seen.append(seq)


@dataclass
class History:
    starts: list[Start] = field(default_factory=list)
    cancels: list[Cancel] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    """Number of accepted answers per request id."""
    retries: Counter[str] = field(default_factory=Counter)
    """Number of times per order that a person asked, or may have asked, to retry its effect."""
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    deaths: list[tuple[float, int, bool]] = field(default_factory=list)
    """Deaths of workers: (time, pid, True) when killed or paused beyond the lease, (time, pid, False) when resumed."""
    overspend: dict[str, Decimal] = field(default_factory=dict)
    """Largest excess of each budget over its limit at any moment, reservations included, in USD."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """Outages of the model, as (start, end)."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note_deaths(self, pids: Iterable[int], *, is_dead: bool = True) -> None:
        with self.lock:
            self.deaths += [(time.time(), pid, is_dead) for pid in pids]

    @property
    def started(self) -> list[str]:
        """Return the ids of the runs that are known to be accepted."""
        with self.lock:
            return [start.runs[0] for start in self.starts if start.runs]
