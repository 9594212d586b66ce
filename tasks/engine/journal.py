"""Database access of the engine: claims, leases and fenced writes.

Writes use group commit: while one group is being written the next one collects, so the number of transactions a second
does not grow with the number of runs. A group whose answer was lost (PostgreSQL died) is sent again; `commit_no` makes
the repetition harmless.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import DictRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from billing import entitlements, ledger_sql
from tasks import async_tasks
from tasks.engine import lease, sql
from tasks.engine.commits import BudgetRefused, Commit, Committed, LeaseLost, UnreadMessage, UsageWrite
from tasks.engine.encoding import encode, fields_of

log = logging.getLogger(__name__)

CLAIM_LOCK = 7_241_001
"""Key of the advisory lock that one claim at a time holds."""
MAX_GROUP = 200
"""Commits of one group."""
GROUP_EVERY_S = 0.04
"""Longest group-commit window in seconds."""
SHARE_S = 0.01
"""Group-commit window in seconds since the last group began: (runs - 1) times SHARE_S, at most GROUP_EVERY_S.

Half the statements are half the work, and the wait is invisible beside a model's seconds.
"""
SUSPECT_AFTER = 2
"""Number of lost owners after which a run is claimed alone: it may be what kills them."""
PublishHints = Callable[[Sequence[tuple[Commit, DictRow]]], None]


@dataclass(slots=True)
class _Waiting:
    """Write that waits for its group."""

    op: Commit
    payload: str
    done: asyncio.Future[Committed]

    def resolve(self, answer: DictRow | Exception) -> None:
        if self.done.done():
            return
        if isinstance(answer, Exception):
            self.done.set_exception(answer)
            return
        warnings = [(s, Decimal(spent), Decimal(limit)) for s, spent, limit in answer.get("warnings") or ()]
        committed = Committed(
            last_seq=answer["last_seq"], last_message_seq=answer["last_message_seq"], warnings=warnings
        )
        self.done.set_result(committed)


def _reserves(op: Commit) -> bool:
    return op.reserve is not None and op.reserve.amount_usd > 0


class Journal:
    """Journal of one worker process, used on its event loop only."""

    def __init__(
        self, *, pool: AsyncConnectionPool[Any], worker: str, lease_s: float, team_runs: int,
        publish_hints: PublishHints,
        driven: Callable[[], int] = lambda: 1,
    ) -> None:  # fmt: skip
        """Create a closed journal. `driven` returns the number of runs that this process drives."""
        self.worker = worker
        self._lease_s = lease_s
        self._team_runs = team_runs
        self._publish_hints = publish_hints
        self._driven = driven
        self._pool = pool
        self._waiting: list[_Waiting] = []
        self._has_waiting = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await self._pool.open()
        self._writer = asyncio.create_task(self._write_groups())

    async def close(self) -> None:
        """Stop the writer. Every commit() has been answered by now, because the runs have ended."""
        if self._writer:
            await async_tasks.end([self._writer])
        await self._pool.close()

    # ---- Writing

    async def commit(self, op: Commit) -> Committed:
        """Write one Commit, grouped with those of other runs.

        After LeaseLost, BudgetRefused or UnreadMessage nothing was written.
        """
        item = _Waiting(op, encode(op), asyncio.get_running_loop().create_future())
        self._waiting.append(item)
        self._has_waiting.set()
        return await item.done

    async def _write_groups(self) -> None:
        began = 0.0
        while True:
            await self._has_waiting.wait()
            self._has_waiting.clear()
            while self._waiting:
                await self._wait_for_group(began)
                began = time.monotonic()
                # A group holds one write of each run only: a second one would be fenced by the first.
                group: dict[UUID, _Waiting] = {}
                later = []
                for item in self._waiting:
                    if len(group) < MAX_GROUP and item.op.run_id not in group:
                        group[item.op.run_id] = item
                    else:
                        later.append(item)
                self._waiting = later
                await self._write_group(group)

    async def _wait_for_group(self, began: float) -> None:
        """Wait until the group-commit window since the last group has passed, or the group is full."""
        share = min(GROUP_EVERY_S, SHARE_S * (self._driven() - 1))
        rest = began + share - time.monotonic()
        if rest > 0 and len(self._waiting) < MAX_GROUP:
            await asyncio.sleep(rest)

    async def _write_group(self, group: dict[UUID, _Waiting]) -> None:
        try:
            answers = await self._with_retry(lambda db, is_repeat: self._apply(db, group, is_repeat=is_repeat))
        except Exception as error:
            if len(group) > 1:  # one poisoned write must not take its neighbours along
                for run_id, item in group.items():
                    await self._write_group({run_id: item})
            else:
                for run_id, item in group.items():
                    log.exception("a write of run %s failed", run_id)
                    item.resolve(error)
            return
        for run_id, item in group.items():
            item.resolve(answers[run_id])
        self._publish_hints(
            [(group[run_id].op, row) for run_id, row in answers.items() if not isinstance(row, Exception)]
        )

    async def _apply(
        self, db: psycopg.AsyncConnection[DictRow], group: dict[UUID, _Waiting], *, is_repeat: bool
    ) -> dict[UUID, DictRow | Exception]:
        answers: dict[UUID, DictRow | Exception] = {}
        if is_repeat:
            answers |= await self._done_already(db, group)
        sent = [item for run_id, item in group.items() if run_id not in answers]
        if not any(_reserves(item.op) for item in sent):
            return answers | await self._send(db, sent)  # one statement, its own transaction
        async with db.transaction():
            answers |= await self._reserve(db, [item.op for item in sent if _reserves(item.op)])
            answers |= await self._send(db, [item for item in sent if item.op.run_id not in answers])
            fenced = [item.op for item in sent if isinstance(answers[item.op.run_id], LeaseLost)]
            keys = [op.reserve.key for op in fenced if op.reserve is not None]
            if keys:
                await db.execute(ledger_sql.RELEASE, {"keys": keys})
        return answers

    async def _send(
        self, db: psycopg.AsyncConnection[DictRow], sent: list[_Waiting]
    ) -> dict[UUID, DictRow | Exception]:
        payload = f"[{','.join(item.payload for item in sent)}]"
        rows = await (await db.execute(sql.APPLY, {"ops": payload})).fetchall()
        answers: dict[UUID, DictRow | Exception] = {row["id"]: row for row in rows}
        unread = await self._refused_for_message(db, [item.op for item in sent if item.op.run_id not in answers])
        for item in sent:
            run_id = item.op.run_id
            answers.setdefault(
                run_id, UnreadMessage() if run_id in unread else LeaseLost(f"run {run_id} has another owner")
            )
        return answers

    async def _refused_for_message(self, db: psycopg.AsyncConnection[DictRow], refused: list[Commit]) -> set[UUID]:
        """Return the runs whose write was refused only because of an unread message."""
        last = [(op.run_id, op.epoch, op.read_message_seq) for op in refused if op.read_message_seq is not None]
        if not last:
            return set()
        ids, epochs, heard = zip(*last, strict=True)
        cursor = await db.execute(sql.UNHEARD, {"ids": list(ids), "epochs": list(epochs), "heard": list(heard)})
        return {row["id"] for row in await cursor.fetchall()}

    async def _done_already(
        self, db: psycopg.AsyncConnection[DictRow], group: dict[UUID, _Waiting]
    ) -> dict[UUID, DictRow]:
        found = {}
        for run_id, item in group.items():
            cursor = await db.execute(sql.WAS_APPLIED, (run_id, item.op.epoch, item.op.commit_no))
            row = await cursor.fetchone()
            if row:
                found[run_id] = row
        return found

    async def _reserve(
        self, db: psycopg.AsyncConnection[DictRow], ops: list[Commit]
    ) -> dict[UUID, DictRow | Exception]:
        """Reserve money for each call that a budget covers. Return the refusals."""
        refused: dict[UUID, DictRow | Exception] = {}
        covered = await (await db.execute(sql.LOCK_BUDGETS, {"ids": [op.run_id for op in ops]})).fetchall()
        limited = {row["id"] for row in covered}
        cursors = []
        async with db.pipeline():
            for op in sorted(ops, key=lambda op: op.run_id):
                if op.run_id in limited and op.reserve is not None:
                    values = {"run": op.run_id, "amount": op.reserve.amount_usd, "key": op.reserve.key}
                    cursors.append((op, await db.execute(sql.RESERVE, values)))
        for op, cursor in cursors:
            short = await cursor.fetchone()
            if short and op.reserve is not None:
                needed = op.reserve.amount_usd
                refused[op.run_id] = BudgetRefused(
                    scope=short["scope"], spent_usd=short["spent"], limit_usd=short["limit_usd"], needed_usd=needed
                )
        return refused

    async def _with_retry(self, work: Callable[[psycopg.AsyncConnection[DictRow], bool], Awaitable[Any]]) -> Any:
        """Repeat the work while Postgres is away; the leases decide meanwhile who owns the runs."""
        delay, is_repeat = 0.05, False
        while True:
            try:
                async with self._pool.connection() as db:
                    return await work(db, is_repeat)
            except PoolClosed:  # the worker is stopping; the lease decides who continues
                raise
            except (psycopg.OperationalError, PoolTimeout) as error:
                log.warning("Postgres did not take a write, again in %.2f s: %s", delay, str(error).strip())
                await asyncio.sleep(delay)
                delay, is_repeat = min(delay * 2, 2.0), True

    async def late_usage(self, *, run_id: UUID, usage: UsageWrite) -> None:
        """Record usage that its owner may no longer charge."""
        values = {"run": run_id, **fields_of(usage)}
        with suppress(PoolClosed):  # the next owner records unanswered calls as unknown
            await self._with_retry(lambda db, _: db.execute(sql.LATE_USAGE, values))

    async def unread_messages(self, *, run_id: UUID, after: int) -> list[DictRow]:
        """Return the messages of people to the run after that event."""
        cursor = await self._with_retry(lambda db, _: db.execute(sql.SAID, (run_id, after)))
        rows: list[DictRow] = await cursor.fetchall()
        return rows

    async def timer_waits(self, *, run_id: UUID) -> int:
        """Return the number of timed waits since the run's last settled step."""
        cursor = await self._with_retry(lambda db, _: db.execute(sql.RESTS, {"run": run_id}))
        return int((await cursor.fetchone())["n"])

    async def rows(self, statement: str, values: Mapping[str, Any] | None = None) -> list[DictRow]:
        """Return the rows of a statement in sql.py that concerns no single run."""
        cursor = await self._with_retry(lambda db, _: db.execute(statement, values))
        found: list[DictRow] = await cursor.fetchall()
        return found

    # ---- Owning

    async def claim(self, room: int) -> list[DictRow]:
        """Claim up to `room` runs.

        Each row has all that is needed to drive the run, and what the previous owner left.
        """
        rows: list[DictRow] = await self._with_retry(lambda db, _: self._claim(db, room))
        return rows

    async def _claim(self, db: psycopg.AsyncConnection[DictRow], room: int) -> list[DictRow]:
        values = {"room": room, "worker": self.worker, "lease_s": self._lease_s, "team_runs": self._team_runs}
        values["plan_runs"] = json.dumps(entitlements.running_limits())
        values["suspect_after"] = SUSPECT_AFTER
        until = lease.now() + self._lease_s
        async with db.pipeline(), db.transaction():
            await db.execute("SELECT pg_advisory_xact_lock(%s)", (CLAIM_LOCK,))
            found = await db.execute(sql.CLAIM, values)
        claimed = {row["id"]: row for row in await found.fetchall()}
        if not claimed:
            return []
        return [row | {"lease": lease.Lease(until)} for row in await self._load(db, claimed)]

    async def _load(self, db: psycopg.AsyncConnection[DictRow], claimed: dict[UUID, DictRow]) -> list[DictRow]:
        ids = {"ids": list(claimed)}
        asked = sql.PARTS_OF_NEW if all(row["is_new"] for row in claimed.values()) else tuple(sql.OWNED_PARTS)
        async with db.pipeline():
            owned = await db.execute(sql.OWNED, ids)
            parts = {name: await db.execute(sql.OWNED_PARTS[name], ids) for name in asked}
        rows = {row["id"]: row | claimed[row["id"]] for row in await owned.fetchall()}
        for name in sql.OWNED_PARTS:
            found: dict[UUID, list[DictRow]] = defaultdict(list)
            for row in await parts[name].fetchall() if name in parts else ():
                found[row["run_id"]].append(row)
            for run_id, run in rows.items():
                run[name] = found[run_id]
        return list(rows.values())

    async def renew(self, owned: Mapping[UUID, tuple[int, lease.Lease]]) -> set[UUID]:
        """Renew the leases. Return the ids of the runs that are still ours."""
        until = lease.now() + self._lease_s
        values = {"ids": list(owned), "epochs": [epoch for epoch, _ in owned.values()], "lease_s": self._lease_s}
        async with self._pool.connection() as db:
            rows = await (await db.execute(sql.RENEW, values)).fetchall()
        for row in rows:
            if row["is_renewed"]:
                owned[row["id"]][1].until = until
        return {row["id"] for row in rows}

    async def release(self, owned: Iterable[tuple[UUID, int]]) -> None:
        """Release runs in the middle of a step. The next owner recovers them at once, and it counts as no loss."""
        ids, epochs = zip(*owned, strict=True)
        async with self._pool.connection() as db:
            await db.execute(sql.LET_GO, {"ids": list(ids), "epochs": list(epochs)})
