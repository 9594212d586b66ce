"""`var/status.json`: state of the launcher and pids of its processes, for operators and fault tests."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from config.embedded.keys import write_private

State = Literal["starting", "serving", "stopping"]
_AGAIN_S = 1.0


class SharedFile:
    """File for other processes, replaced atomically. A failed write is reported once and retried."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path = path
        self._say = say
        self._wanted = self._written = ""
        self._is_failing = False
        self._due_at = 0.0

    def write(self, text: str) -> None:
        if text != self._wanted:
            self._wanted, self._due_at = text, 0.0
        self.retry()

    def retry(self) -> None:
        """Write pending content, at most once a second."""
        if self._wanted == self._written or time.monotonic() < self._due_at:
            return
        try:
            write_private(self._path, self._wanted)
        except OSError as error:
            self._due_at = time.monotonic() + _AGAIN_S
            if not self._is_failing:
                self._say(f"{self._path} cannot be written ({error.strerror}); it is tried again until it can.")
            self._is_failing = True
            return
        if self._is_failing:
            self._say(f"{self._path} is written again.")
        self._written, self._is_failing = self._wanted, False

    def remove(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


class Status:
    """State of the launcher and its processes, written on every change."""

    def __init__(self, home: Path, url: str, say: Callable[[str], None]) -> None:
        self._file = SharedFile(home / "status.json", say)
        self._url = url
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

    def write(self, state: State, pids: Mapping[str, Sequence[int]]) -> None:
        content = {
            "url": self._url,
            "started_at": self._started_at,
            "state": state,
            "pids": {"launcher": [os.getpid()], **{role: list(of_role) for role, of_role in pids.items()}},
        }
        self._file.write(json.dumps(content, indent=1))

    def remove(self) -> None:
        self._file.remove()


def state_of(home: Path) -> str:
    """Return the last state that the folder's launcher wrote, or ""."""
    try:
        return str(json.loads((home / "status.json").read_text())["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
