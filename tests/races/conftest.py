"""Fixtures that the races share with the tests of runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from django.conf import settings as product

from tasks import async_db
from tasks.engine.journal import Journal
from tests.tasks.conftest import fast_engine, scripted, start, tool

__all__ = ["fast_engine", "scripted", "start", "tool"]

Open = Callable[..., Awaitable[Journal]]


@pytest.fixture
async def open_journal(transactional_db: None) -> AsyncIterator[Open]:
    """Factory of journals: `await open_journal("one")` is one more worker with connections of its own."""
    opened: list[Journal] = []

    async def make(worker: str, **more: Any) -> Journal:
        given = {"lease_s": 30.0, "team_runs": product.ENGINE["team_runs"]} | more
        journal = Journal(
            pool=async_db.make_pool(max_size=2), worker=worker, publish_hints=lambda written: None, **given
        )
        await journal.open()
        opened.append(journal)
        return journal

    yield make
    for journal in opened:
        await journal.close()
