"""Messages of a worker to viewers. These are hints after each group of writes, and text while models write it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

import redis.asyncio as aredis
from psycopg.rows import DictRow
from redis.exceptions import RedisError

from tasks import event_log
from tasks.engine.commits import Commit

log = logging.getLogger(__name__)

DELTA_EVERY_S = 0.04
"""Seconds between two messages of text."""
Hints = list[tuple[str, dict[str, object]]]


class Publisher:
    """Publisher on the engine's loop. Its messages may be lost; the rows are the truth."""

    def __init__(self, valkey: aredis.Redis) -> None:
        self._valkey = valkey
        self._deltas: dict[tuple[UUID, int], str] = {}
        self._sending: set[asyncio.Task[None]] = set()

    def publish_hints(self, written: Sequence[tuple[Commit, DictRow]]) -> None:
        """Publish the new seqs and statuses of the runs, in the background."""
        hints: Hints = []
        for op, row in written:
            hints.append((event_log.run_channel(row["id"]), {"seq": row["last_seq"]}))
            if op.status or op.requests:
                hints.append((event_log.team_channel(row["team_id"]), {"run": str(row["id"]), "status": row["status"]}))
        if hints:
            task = asyncio.create_task(self.publish(hints))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def publish(self, hints: Hints) -> None:
        try:
            await self._valkey.eval(event_log.PUBLISH_ALL, 0, *event_log.flattened(hints))
        except (RedisError, OSError) as error:
            log.warning("hints were not sent: %s", error)

    def note_delta(self, run_id: UUID, step: int, text: str) -> None:
        """Add text that a model has just written to the next delta."""
        self._deltas[run_id, step] = self._deltas.get((run_id, step), "") + text

    async def send_deltas(self) -> None:
        while True:
            await asyncio.sleep(DELTA_EVERY_S)
            if self._deltas:
                deltas, self._deltas = self._deltas, {}
                await self.publish(
                    [
                        (event_log.run_channel(run_id), {"delta": text, "step": step})
                        for (run_id, step), text in deltas.items()
                    ]
                )
