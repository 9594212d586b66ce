"""What the kernel knows about a process: is it alive, is it still the same one, what does it hold."""

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
    """A mark that no later process with the same pid can carry, or None when the process is gone or a zombie.

    A zombie counts as gone: it holds no file, no port and no lock, it only waits for its parent to look.
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
    """A preexec function: the kernel sends `death_signal` when the thread that starts the child ends, even by SIGKILL.

    The signal belongs to the starting *thread*, so children are started from the main thread. It is forgotten when
    the uid changes, which is why this runs after Popen has done that.
    """
    parent = os.getpid()

    def arm() -> None:
        if _IS_LINUX:
            _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return arm


def step_back(levels: int) -> None:
    """Let others go first where processors are short. Linux divides them between sessions before it asks how nice each
    process of a session is, so the session steps back, too.
    """
    if levels:
        os.nice(levels)
        with suppress(OSError):  # the kernel may not divide by sessions
            Path("/proc/self/autogroup").write_text(str(levels))


def follow_parent(death_signal: signal.Signals) -> None:
    """Get `death_signal` when the process that started this one ends, however it ends."""
    if _IS_LINUX:
        _libc.prctl(_PR_SET_PDEATHSIG, death_signal, 0, 0, 0)


def working_in(folder: Path) -> list[int]:
    """The processes whose working directory is `folder` (Linux; elsewhere nothing is found)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "cwd") == str(folder) and born_at(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def end_orphan(pid: int, born: str, signals: Iterable[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn, giving the process some seconds each, until it is gone."""
    for number, seconds in signals:
        if born_at(pid) != born:
            return
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        wait_until(lambda: born_at(pid) != born, seconds)
