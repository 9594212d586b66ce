"""Kernel facts about processes: alive or not, start time, working directory."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_IS_LINUX = platform.system() == "Linux"
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def born_at(pid: int) -> str | None:
    """Return an opaque mark of the process, unique among reuses of the pid; None if it is gone.

    The mark is the start time. A zombie counts as gone: it holds no file, port or lock, it only waits for its parent to
    reap it.
    """
    if not _IS_LINUX:
        listed = subprocess.run(["/bin/ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True)
        words = listed.stdout.split()
        return None if not words or words[0].startswith("Z") else " ".join(words[1:])
    try:
        state, *rest = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if state in "ZX" else rest[18]


def die_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """Return a preexec function: the kernel sends `death_signal` when the thread that starts the child ends, even by
    SIGKILL.

    The signal is tied to the starting *thread*, so start children from the main thread. The kernel clears it when the
    uid changes, so this runs after Popen has changed it.
    """
    parent = os.getpid()

    def arm() -> None:
        if _IS_LINUX:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return arm


def step_back(levels: int) -> None:
    """Lower the priority of this process.

    Linux divides the processor between sessions first and applies `nice` within a session, so the session's priority is
    lowered, too.
    """
    if levels:
        os.nice(levels)
        with suppress(OSError):  # the kernel may have no autogroups
            Path("/proc/self/autogroup").write_text(str(levels))


def follow_parent(death_signal: signal.Signals) -> None:
    """Ask the kernel to send `death_signal` when the parent of this process ends, however it ends."""
    if _IS_LINUX:
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


def working_in(folder: Path) -> list[int]:
    """Return the processes whose working directory is `folder` (Linux only; elsewhere an empty list)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(folder) and born_at(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll the condition; return True if it became true within `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def end_orphan(pid: int, born: str, signals: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, wait its seconds for the process to end, and stop when it is gone."""
    for number, seconds in signals:
        if born_at(pid) != born:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        wait_until(lambda: born_at(pid) != born, seconds)
