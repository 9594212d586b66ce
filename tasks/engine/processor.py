"""Detection of processor starvation. It compares how long threads ran and how long they were ready and did not."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

WINDOW_S = 60.0
"""Seconds over which the share is measured."""
STARVED_SHARE = 0.25
"""Share of the requested processor time. A busy machine gives half or more; a quarter makes runs crawl."""
WAITED_SHARE = 0.5
"""Share of the elapsed time that threads must have waited. A worker that needs little does not suffer."""
_EVERY_S = 60.0
"""Least seconds between two log messages."""


@dataclass(slots=True)
class Processor:
    """Measurement of this process's threads. Only Linux provides it; elsewhere nothing is reported."""

    threads: Path = Path("/proc/self/task")
    _seen: dict[str, tuple[int, int]] = field(default_factory=dict)
    _ran_ns: int = 0
    _waited_ns: int = 0
    _samples: deque[tuple[float, int, int]] = field(default_factory=deque)
    _said_at: float = float("-inf")

    def look(self, now: float) -> float | None:
        """Return the granted share of the requested processor time, if runs crawl.

        None if they do not. It covers the last minute.
        """
        self._count()
        self._samples.append((now, self._ran_ns, self._waited_ns))
        while len(self._samples) > 1 and self._samples[1][0] <= now - WINDOW_S:
            self._samples.popleft()
        since, ran, waited = self._samples[0]
        if now - since < WINDOW_S / 2:
            return None
        ran, waited = self._ran_ns - ran, self._waited_ns - waited
        is_starved = waited > WAITED_SHARE * (now - since) * 1e9 and ran < STARVED_SHARE * (ran + waited)
        return ran / (ran + waited) if is_starved else None

    def tell(self, share: float | None) -> None:
        """Log a warning, at most once a minute, that runs crawl and why."""
        if share is None or time.monotonic() - self._said_at < _EVERY_S:
            return
        self._said_at = time.monotonic()
        log.warning(
            "the machine gives this worker %.0f %% of the processor time that it asks for: other programs take it. "
            "Runs go on, slowly. Stop those, add processors, or let workers give way less (DESKHAND_WORKER_NICE)",
            share * 100,
        )

    def _count(self) -> None:
        """Add how long each thread ran and waited since the last look. Threads come and go."""
        found: dict[str, tuple[int, int]] = {}
        for thread in self.threads.glob("*/schedstat"):
            with suppress(OSError, ValueError):
                words = thread.read_text().split()
                found[thread.parent.name] = int(words[0]), int(words[1])
        for name, (ran, waited) in found.items():
            ran_before, waited_before = self._seen.get(name, (0, 0))
            self._ran_ns += max(0, ran - ran_before)
            self._waited_ns += max(0, waited - waited_before)
        self._seen = found
