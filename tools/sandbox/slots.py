"""User ids for sandboxes that run at the same time: the kernel counts processes by user."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tools import limited_process
from tools.errors import ToolFailed

FIRST = 64_100
COUNT = 64
"""Number of user ids from FIRST on, one for each simultaneous sandbox."""


@contextmanager
def user() -> Iterator[int | None]:
    """Reserve a user id that no other worker of this machine uses.

    Yields None where we cannot change ours. Raises ToolFailed if all are taken.
    """
    if os.getuid() != 0 or not _are_mapped():
        yield None
        return
    folder = limited_process.cache_folder("sandbox-users")
    for number in range(FIRST, FIRST + COUNT):
        lock = os.open(folder / str(number), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        try:
            yield number
        finally:
            os.close(lock)
        return
    raise ToolFailed("All sandboxes of this machine are busy. Try again in a minute.")


def _are_mapped() -> bool:
    """Return True if these user ids exist here: a container may map only some of them."""
    lines = Path("/proc/self/uid_map").read_text().splitlines()
    ranges = [(int(first), int(count)) for first, _, count in (line.split() for line in lines)]
    return any(first <= FIRST and first + count >= FIRST + COUNT for first, count in ranges)
