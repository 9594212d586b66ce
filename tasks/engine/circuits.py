"""Circuit breakers of models: after several failures calls wait, and one run at a time probes.

The state is one row for each provider and model in Postgres, so it survives restarts and is the same for all workers.
Each worker keeps a copy that is at most a second old: a stale copy costs one more failed call, or one more short wait.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self
from uuid import UUID

from psycopg.rows import DictRow

from accounts import strict_json
from agents.runtimes.base import ModelError
from tasks import async_tasks
from tasks.engine import lease, sql

log = logging.getLogger(__name__)

OPEN_AFTER = 5
"""Number of consecutive failures, in any runs and workers, that opens a circuit."""
FRESH_S = 1.0
"""Age in seconds at which the copy is read again."""
FIRST_PROBE_S, LONGEST_GAP_S, LONGEST_GAP_BILLED_S = 5.0, 30.0, 60.0
"""Seconds to the first probe, and longest gap between probes, which doubles. Longer if failures may be billed."""
PROBE_S = 30.0
"""Seconds after which an unanswered probe no longer keeps another run from probing."""
OF_THE_PROVIDER = ("rate_limit", "overloaded", "server", "timeout", "connection")
"""Kinds of failures of the provider; others are about the request, the key or the model."""
JITTER = (0.75, 1.25)
"""Random factor on the time to the next probe."""

Key = tuple[str, str]
"""Provider and model."""


class Rows(Protocol):
    """Interface of the journal that circuits need."""

    async def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[DictRow]: ...


@dataclass(frozen=True, slots=True)
class Circuit:
    """Copy of one circuit's row."""

    failures: int
    opened_at: datetime | None
    retry_at: datetime | None
    probe_run: UUID | None
    probe_until: datetime | None
    failing_since: datetime | None
    detail: str

    @classmethod
    def of(cls, row: DictRow) -> Self:
        return cls(**{name: row[name] for name in cls.__slots__})

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None

    @property
    def is_clean(self) -> bool:
        return not self.failures and not self.is_open

    def next_try_at(self, now: datetime) -> datetime:
        """Return the earliest time of the next probe, by the copy."""
        return max(now, *(at for at in (self.retry_at, self.probe_until) if at is not None))


class Circuits:
    """Circuits as one worker process sees them. Used on its event loop only."""

    def __init__(self, journal: Rows) -> None:
        self._journal = journal
        self._known: dict[Key, Circuit] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._recording: dict[Key, asyncio.Task[None]] = {}

    async def close(self) -> None:
        await async_tasks.end(list(self._recording.values()))

    async def of(self, key: Key) -> Circuit | None:
        """Return the circuit, or None for a model that never failed."""
        if lease.now() - self._read_at > FRESH_S:
            async with self._reading:
                if lease.now() - self._read_at > FRESH_S:
                    rows = await self._journal.rows(sql.CIRCUITS)
                    self._known = {(row["provider"], row["model"]): Circuit.of(row) for row in rows}
                    self._read_at = lease.now()
        return self._known.get(key)

    async def take_probe(self, key: Key, run_id: UUID) -> bool:
        """Reserve the probe of this model for the run. Return False if another run has it."""
        values = {"provider": key[0], "model": key[1], "run": run_id, "probe_s": PROBE_S}
        rows = await self._journal.rows(sql.TAKE_PROBE, values)
        self._read_at = self._read_at if rows else float("-inf")
        self._update_copies(key, rows)
        return bool(rows)

    async def failed(self, key: Key, run_id: UUID, error: ModelError) -> Circuit | None:
        """Record a failed call. Return the circuit's present state."""
        if error.kind not in OF_THE_PROVIDER:
            return await self.of(key)
        rows = await self._journal.rows(
            sql.MODEL_FAILED,
            {
                "provider": key[0],
                "model": key[1],
                "run": run_id,
                "error": error.kind,
                "detail": strict_json.clean_text(str(error))[:500],
                "is_own": error.sent,
                "open_after": OPEN_AFTER,
                "first_s": FIRST_PROBE_S,
                "most_s": LONGEST_GAP_BILLED_S if error.sent else LONGEST_GAP_S,
                "retry_after_s": error.retry_after_s or 0.0,
                "jitter": random.uniform(*JITTER),  # noqa: S311 - spreads load, protects nothing
            },
        )
        self._update_copies(key, rows)
        return self._known[key]

    def answered(self, key: Key, began_at: datetime) -> None:
        """Record that a call, sent at `began_at`, is being answered.

        Writes only a change of state, in the background.
        """
        circuit = self._known.get(key)
        if circuit is None or circuit.is_clean or (circuit.opened_at and began_at < circuit.opened_at):
            return
        if key not in self._recording:  # called with every piece of every answer; one write is enough
            task = self._recording[key] = asyncio.create_task(self._record_answered(key, began_at))
            task.add_done_callback(lambda _: self._recording.pop(key, None))

    async def _record_answered(self, key: Key, began_at: datetime) -> None:
        try:
            values = {"provider": key[0], "model": key[1], "began_at": began_at}
            self._update_copies(key, await self._journal.rows(sql.MODEL_ANSWERED, values))
        except Exception:
            log.exception("could not note that %s answers; the next answer will", key[1])

    def _update_copies(self, key: Key, rows: list[DictRow]) -> None:
        for row in rows:
            self._known[key] = Circuit.of(row)
