"""What the standard library lacks for background work on an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any


async def end(works: Collection[asyncio.Task[Any]]) -> None:
    """Cancel until all are over. Once is not enough: Python 3.11's `wait_for`, which the Valkey client uses, loses a
    cancellation that comes at the moment of the answer.
    """
    while pending := [work for work in works if not work.done()]:
        for work in pending:
            work.cancel()
        await asyncio.wait(pending, timeout=0.5)
