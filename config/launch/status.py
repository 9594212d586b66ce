"""`var/status.json`: what runs, under which pids, for operators and fault tests."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from config.embedded.keys import write_private

State = Literal["starting", "serving", "stopping"]


class Status:
    """The file is replaced in one step, and only when something in it has changed."""

    def __init__(self, home: Path, url: str) -> None:
        self._path = home / "status.json"
        self._url = url
        self._started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._written = ""

    def write(self, state: State, pids: Mapping[str, Sequence[int]]) -> None:
        content = {
            "url": self._url,
            "started_at": self._started_at,
            "state": state,
            "pids": {"launcher": [os.getpid()], **{role: list(of_role) for role, of_role in pids.items()}},
        }
        text = json.dumps(content, indent=1)
        if text != self._written:
            write_private(self._path, text)
            self._written = text

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def state_of(home: Path) -> str:
    """What the launcher of that folder last said, or nothing."""
    try:
        return str(json.loads((home / "status.json").read_text())["state"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
