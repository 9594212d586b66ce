"""UUIDv7: ids that sort by time (RFC 9562), for every row whose id appears in a URL."""

from __future__ import annotations

import os
import time
from datetime import datetime
from uuid import UUID


def uuid7() -> UUID:
    """48 bits of milliseconds, then 74 random bits."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def first_id_at(moment: datetime) -> UUID:
    """The lowest id of that moment: `id__gte` it finds what came later by the primary key alone."""
    return UUID(int=int(moment.timestamp() * 1000) << 80 | 0x7 << 76)
