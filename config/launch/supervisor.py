"""Supervisor of the processes of one installation: restarts what ends, after growing pauses."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from config.embedded import PartError
from config.embedded.child import Child

_PAUSES_S = (0.2, 1.0, 2.0, 5.0, 10.0, 30.0)
_CALM_S = 15.0  # after a life this long the next pause is the shortest again


@dataclass(kw_only=True)
class Watched:
    """One process, its role in the status file, and its start function."""

    role: str
    child: Child
    start: Callable[[], None]
    failures: int = 0
    started_at: float = field(default_factory=time.monotonic)
    due_at: float | None = None


class Supervisor:
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self.watched: list[Watched] = []

    @property
    def pids(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for one in self.watched:
            found.setdefault(one.role, []).extend([one.child.pid] if one.child.pid else [])
        return found

    def watch(self, role: str, child: Child, start: Callable[[], None] | None = None) -> None:
        self.watched.append(Watched(role=role, child=child, start=start or child.start))

    def look(self) -> None:
        """Check all processes once: note those that ended, start those that are due."""
        now = time.monotonic()
        for one in self.watched:
            if one.child.pid:
                one.child.remember()
                continue
            if one.due_at is None:
                self._note_end(one, now)
            elif one.due_at <= now:
                self._start_again(one)

    def hurry(self) -> None:
        """Start all waiting processes now: the cause of their failures may be gone."""
        for one in self.watched:
            if one.due_at is not None:
                one.failures, one.due_at = 0, time.monotonic()

    def rotate_logs(self) -> None:
        for one in self.watched:
            one.child.rotate_log()

    def stop(self, *roles: str) -> None:
        """Signal all processes of those roles, then wait for each."""
        chosen = [one.child for one in self.watched if one.role in roles]
        for child in chosen:
            child.signal_stop()
        for child in chosen:
            if not child.wait_stopped():
                self._say(f"{child.name} did not stop in {child.grace_s:.0f} s and was killed.")

    def kill(self) -> None:
        for one in self.watched:
            if one.child.process and one.child.pid:
                one.child.process.kill()

    def _note_end(self, one: Watched, now: float) -> None:
        if now - one.started_at > _CALM_S:
            one.failures = 0
        pause = self._pause(one, now)
        code = one.child.process.returncode if one.child.process else None
        how = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
        self._say(f"{one.child.name} ended {how}; starting it again in {pause:g} s. Its log: {one.child.log}")

    def _start_again(self, one: Watched) -> None:
        """Start the process. A refusal of the system (full disk, process limit) is reported and retried."""
        one.started_at, one.due_at = time.monotonic(), None
        try:
            one.start()
        except PartError as error:
            self._note_failure(one, str(error))
        except (OSError, subprocess.SubprocessError) as error:
            self._note_failure(one, f"{one.child.name} cannot be started: {_reason(error)}.")

    def _note_failure(self, one: Watched, sentence: str) -> None:
        if one.child.pid:  # it runs; only a later step of the start failed
            self._say(sentence)
            return
        self._say(f"{sentence} Trying again in {self._pause(one, time.monotonic()):g} s.")

    @staticmethod
    def _pause(one: Watched, now: float) -> float:
        """Return the pause before the next start, in seconds."""
        pause = _PAUSES_S[min(one.failures, len(_PAUSES_S) - 1)]
        one.failures += 1
        one.due_at = now + pause
        return pause


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
