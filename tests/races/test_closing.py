"""Shutdown of a worker without waiting for a database that it has released."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from psycopg_pool import PoolClosed

from tasks.engine import commits
from tests.races.conftest import Open
from tests.timeouts import PATIENCE_S


async def test_what_comes_after_the_close_ends_at_once(open_journal: Open) -> None:
    journal = await open_journal("stops")
    await journal.close()
    usage = commits.UsageWrite(key="late", outcome="free", step_key="late", model="demo-1")

    async with asyncio.timeout(PATIENCE_S):
        await journal.late_usage(run_id=uuid4(), usage=usage)
        with pytest.raises(PoolClosed):
            await journal.claim(1)
