"""Helper for background tasks on an event loop that the standard library lacks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def end(works: Collection[asyncio.Task[Any]]) -> None:
    """Cancel the tasks until all are done.

    Once is not enough: Python 3.11's `wait_for`, which the Valkey client uses, loses a cancellation that arrives
    together with the result.
    """
    while pending := [work for work in works if not work.done()]:
        for work in pending:
            work.cancel()
        await asyncio.wait(pending, timeout=0.5)
