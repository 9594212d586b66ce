"""Concurrency helpers: barriers, and the database's own list of waiting connections."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connections, transaction

from tasks import async_db
from tests.tasks.scripted import until
from tests.timeouts import PATIENCE_S

WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)` to `work(count - 1)` at once.

    Return what each returned or raised; each has its own thread and connection.
    """
    barrier = threading.Barrier(count)

    def alone(number: int) -> Any:
        try:
            barrier.wait(PATIENCE_S)
            return work(number)
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(alone, range(count)))


def while_open(change: Callable[[], Any], work: Callable[[], Any]) -> Any:
    """Call `work` while the transaction of `change` is open. Return its result."""

    def alone() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, psycopg.connect(async_db.conninfo(), autocommit=True) as db:
        with transaction.atomic():
            change()
            answer = pool.submit(alone)
            until(lambda: answer.done() or db.execute(WAITING).fetchone() != (0,))
        return answer.result()


@contextmanager
def other_connection() -> Iterator[psycopg.Connection[Any]]:
    """Connection with a transaction that the test ends itself."""
    with psycopg.connect(async_db.conninfo()) as db:
        yield db
        db.rollback()


async def until_waiting(count: int, *or_done: asyncio.Future[Any]) -> None:
    """Wait until `count` connections wait for a lock, or one of the futures is done."""
    with psycopg.connect(async_db.conninfo(), autocommit=True) as db:
        async with asyncio.timeout(PATIENCE_S):
            while db.execute(WAITING).fetchone()[0] < count and not any(f.done() for f in or_done):  # type: ignore[index]
                await asyncio.sleep(0.01)
