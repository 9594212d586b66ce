"""Free space of an installation's disks, and the messages about it in the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from config.embedded.disk import free_bytes

LITTLE_BYTES = 100_000_000
_ENOUGH_BYTES = 2 * LITTLE_BYTES
_EVERY_S = 5.0


class Room:
    """Reporter of disk space: one message when a disk becomes short, one when it recovers."""

    def __init__(self, folders: Iterable[Path], say: Callable[[str], None]) -> None:
        self._folders = list(folders)
        self._say = say
        self._short: set[Path] = set()
        self._due_at = 0.0

    def look(self) -> bool:
        """Check the disks if the interval is over. Return True if a disk has just recovered."""
        if time.monotonic() < self._due_at:
            return False
        self._due_at = time.monotonic() + _EVERY_S
        is_back = False
        for folder in self._folders:
            left = free_bytes(folder)
            if left is None:
                continue
            if left < LITTLE_BYTES and folder not in self._short:
                self._short.add(folder)
                self._say(
                    f"The disk of {folder} is almost full: {left // 1_000_000} MB are left. "
                    "What cannot write waits or is started again; make room."
                )
            elif left > _ENOUGH_BYTES and folder in self._short:
                self._short.remove(folder)
                self._say(f"The disk of {folder} has room again.")
                is_back = True
        return is_back
