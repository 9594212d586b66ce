"""What the clients did and what they were told: the half of the truth that the checker compares with the other half."""

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
    """The run that each 201 named."""
    lost: int = 0
    """Calls whose answer never came."""
    refused: str = ""


@dataclass(frozen=True)
class Cancel:
    run: str
    at: float
    """When the 200 had been read."""


@dataclass
class View:
    """What one viewer saw of one run over all its connections."""

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
    """By the id of the request: how many answers to it were taken."""
    retries: Counter[str] = field(default_factory=Counter)
    """By the order: how often a person said, or may have said, that its effect should be tried again."""
    statuses: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    deaths: list[tuple[float, int, bool]] = field(default_factory=list)
    """When which worker was killed, or paused for so long that it counts as dead; with False, when it went on."""
    overspend: dict[str, Decimal] = field(default_factory=dict)
    """By the budget: the most that it was over its limit at any moment, reservations included."""
    outages: list[tuple[float, float]] = field(default_factory=list)
    """When the model was away, from and until."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note_deaths(self, pids: Iterable[int], *, is_dead: bool = True) -> None:
        with self.lock:
            self.deaths += [(time.time(), pid, is_dead) for pid in pids]

    @property
    def started(self) -> list[str]:
        """The runs that are known to have been accepted."""
        with self.lock:
            return [start.runs[0] for start in self.starts if start.runs]
