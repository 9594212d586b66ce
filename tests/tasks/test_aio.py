"""Background tasks: they end although a cancellation was lost."""

from __future__ import annotations

import asyncio

from tasks import async_tasks


async def test_work_that_loses_a_cancellation_ends_all_the_same() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost > 1:
                    raise

    works = [asyncio.create_task(stubborn()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)

    await async_tasks.end(works)

    assert [work.cancelled() for work in works] == [True, True]
    assert lost == 2


async def test_what_is_over_is_left_alone() -> None:
    work = asyncio.create_task(asyncio.sleep(0, "done"))
    await work

    await async_tasks.end([work])

    assert work.result() == "done"
