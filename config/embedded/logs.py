"""Log rotation for running processes, without their participation."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LIMIT_BYTES = 5_000_000
OLDER = 4
"""Full files kept beside the current one; `web.log.1` is the newest of them."""
_CHUNK = 1 << 20


def rotate(log: Path, limit: int = LIMIT_BYTES, older: int = OLDER) -> bool:
    """Rotate a log over the limit by copying it to `.1` and truncating it, like logrotate's copytruncate. Return True
    if it was rotated.

    The processes keep the file open for appending and continue at its new start. Output between the last read and the
    truncation is lost: microseconds, at most once per `limit`. Without room for the copy the log stays as it is.
    """
    try:
        if log.stat().st_size <= limit:
            return False
        numbered = [log.with_name(f"{log.name}.{n}") for n in range(1, older + 1)]
        if numbered[0].exists():
            for source, target in zip(reversed(numbered[:-1]), reversed(numbered[1:]), strict=True):
                if source.exists():
                    source.replace(target)
        return _move_content(log, numbered[0])
    except OSError:
        return False  # full disk or read-only folder: the next check retries


def _move_content(log: Path, target: Path) -> bool:
    fresh = target.with_name(f".{target.name}")
    try:
        with log.open("r+b") as source, fresh.open("wb") as copy:
            most = 2 * os.fstat(source.fileno()).st_size  # bound for a process that writes faster than this reads
            while copy.tell() < most and (chunk := source.read(_CHUNK)):
                copy.write(chunk)
            copy.flush()
            source.truncate(0)
        fresh.chmod(log.stat().st_mode & 0o777)
        fresh.replace(target)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    return True
