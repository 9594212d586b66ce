"""UUIDv7: ids that sort by time (RFC 9562). Every row whose id appears in a URL has one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

_moment: ContextVar[datetime | None] = ContextVar("moment", default=None)


def uuid7() -> UUID:
    """Return a new id: 48 bits of milliseconds, 12 bits of the fraction, 62 random bits.

    The fraction counts quarters of a microsecond, so ids of one process sort in the order of their creation within a
    millisecond too (RFC 9562, method 3).
    """
    moment = _moment.get()
    now_ns = (
        time.time_ns() if moment is None else int(moment.timestamp() * 1000) * 1_000_000 + time.time_ns() % 1_000_000
    )
    milliseconds, rest_ns = divmod(now_ns, 1_000_000)
    value = milliseconds << 80 | 0x7 << 76 | (rest_ns * 4096 // 1_000_000) << 64
    return UUID(int=value | 0b10 << 62 | int.from_bytes(os.urandom(8), "big") >> 2)


def first_id_at(moment: datetime) -> UUID:
    """Return the lowest id of that moment. `id__gte` with it finds later rows by the primary key alone."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76)


def moment_of(id_: UUID) -> datetime:
    """Return the time of creation that the id holds, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, tz=UTC)


@contextmanager
def ids_at(moment: datetime) -> Iterator[None]:
    """Make ids of another moment, for rows with set-back dates. Lists are sorted by id."""
    token = _moment.set(moment)
    try:
        yield
    finally:
        _moment.reset(token)
