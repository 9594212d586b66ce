from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from tests.timeouts import PATIENCE_S
from tools import sandbox

Run = Callable[..., sandbox.Outcome]
Spaces = set[str]
"""Process namespaces by their kernel name. A process in a sandbox's namespace was started in that sandbox."""


def space_of(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def spaces_below(pid: int) -> Spaces:
    """Return the namespaces of the sandboxes that this process and its children started."""
    try:
        found = {space_of(child.pid) for child in psutil.Process(pid).children(recursive=True)}
    except psutil.Error:
        return set()
    return found - {space_of(os.getpid()), ""}


def is_nothing_left(spaces: Spaces) -> bool:
    """Wait until no process of those namespaces is left. Return False after PATIENCE_S."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        left = [pid for pid in psutil.pids() if space_of(pid) in spaces]
        if not left or time.monotonic() > deadline:
            return not left
        time.sleep(0.05)


@pytest.fixture
def spaces() -> Spaces:
    """Namespaces of the sandboxes, added while `run` runs."""
    return set()


@pytest.fixture
def run(tmp_path: Path, spaces: Spaces) -> Run:
    """Function that runs code in the real sandbox with small limits."""
    is_there, reason = sandbox.status()
    if not is_there:
        pytest.skip(f"no sandbox on this machine: {reason}")

    def run(code: str, files: dict[str, bytes] | None = None, **limits: Any) -> sandbox.Outcome:
        folder = tmp_path / "given"
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        stop = limits.pop("cancelled", lambda: False)

        def cancelled() -> bool:
            spaces.update(spaces_below(os.getpid()))
            return bool(stop())

        given = [(name, folder / name) for name in files or {}]
        small = {"time_s": 20, "memory_mb": 512, "disk_mb": 32, "processes": 16, **limits}
        return sandbox.run(
            sandbox.Job(code=dedent(code), files=given, limits=sandbox.Limits(**small), cancelled=cancelled)
        )

    return run
