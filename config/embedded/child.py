"""One child process: started from the main thread, logged to a file, recorded on disk, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from config.embedded import logs
from config.embedded.errors import PartError
from config.embedded.processes import born_at, die_with_parent, end_orphan, step_back

_LAST_BYTES = 200_000


@dataclass(frozen=True, slots=True)
class Account:
    """Account that a child runs as, if it is not ours."""

    uid: int
    gid: int


@dataclass(kw_only=True)
class Child:
    """Start, stop and recovery of one process of this installation.

    `home/run/<name>.pid` records the process, so that the next start can end it if this launcher was killed first.
    """

    name: str
    home: Path
    args: Sequence[str | Path]
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    grace_s: float = 10.0
    env: Mapping[str, str] | None = None
    cwd: Path | None = None
    stdin: bytes | None = None
    account: Account | None = None
    pass_fds: Sequence[int] = ()
    """Open files of ours that it has, too, under the same numbers."""
    steps_back: int = 0
    """Increment of `nice`."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _log_start: int = field(default=0, init=False)
    _remembered: int | None = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.home / "log" / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.home / "run" / f"{self.name}.pid"

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process and self.process.poll() is None else None

    def start(self) -> None:
        with self._open_log() as log:
            self.process = subprocess.Popen(
                list(self.args),
                stdin=subprocess.DEVNULL if self.stdin is None else subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=None if self.env is None else dict(self.env),
                cwd=self.cwd,
                start_new_session=True,
                pass_fds=self.pass_fds,
                preexec_fn=self._prepare(),
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )
        self.remember()
        if self.process.stdin and self.stdin is not None:
            try:
                self.process.stdin.write(self.stdin)
                self.process.stdin.close()
            except BrokenPipeError:
                pass  # it died at once; the caller that waits for it reports why

    def remember(self) -> None:
        """Record the pid on disk, unless that is done. A full disk is ignored: the next call tries again."""
        if not self.pid or self._remembered == self.pid:
            return
        with suppress(OSError):
            self._pid_file.parent.mkdir(mode=0o700, exist_ok=True)
            self._pid_file.write_text(f"{self.pid} {born_at(self.pid) or 'gone'}")
            self._remembered = self.pid

    def rotate_log(self) -> None:
        if logs.rotate(self.log):
            self._log_start = 0

    def signal_stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(self.stop_signal)

    def wait_stopped(self, grace_s: float | None = None) -> bool:
        """Wait for the end; kill the process after the grace period. Return True if it ended by itself."""
        if not self.process:
            return True
        try:
            self.process.wait(self.grace_s if grace_s is None else grace_s)
            by_itself = True
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            by_itself = False
        with suppress(OSError):
            self._pid_file.unlink(missing_ok=True)
        return by_itself

    def stop(self) -> bool:
        self.signal_stop()
        return self.wait_stopped()

    def end_orphan(self) -> None:
        """End the process that an earlier launcher left under this name."""
        _end_remembered(self._pid_file, self.stop_signal)

    def last_words(self) -> str:
        """Return the process's log output since its start, at most _LAST_BYTES."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(self._log_start, os.fstat(log.fileno()).st_size - _LAST_BYTES))
                return log.read(_LAST_BYTES).decode(errors="replace")
        except OSError:
            return ""

    def _prepare(self) -> Callable[[], None]:
        """Return the function that runs in the child before exec."""
        follow = die_with_parent(self.death_signal)

        def prepare() -> None:
            follow()
            step_back(self.steps_back)

        return prepare

    def _open_log(self) -> IO[bytes]:
        try:
            self.log.parent.mkdir(mode=0o700, exist_ok=True)
            logs.rotate(self.log)
            log = self.log.open("ab")
        except OSError as error:
            raise PartError(f"The log {self.log} cannot be written to: {error.strerror}.") from error
        self._log_start = os.fstat(log.fileno()).st_size
        return log


def end_orphans(home: Path) -> None:
    """End every process that an earlier launcher of this folder left. The services have their own recovery."""
    for pid_file in (home / "run").glob("*.pid"):
        if pid_file.stem not in ("postgres", "valkey", "s3"):
            _end_remembered(pid_file, signal.SIGTERM)


def _end_remembered(pid_file: Path, first: signal.Signals) -> None:
    try:
        pid, born = pid_file.read_text().split(maxsplit=1)
    except (OSError, ValueError):
        return
    if pid.isdigit():
        end_orphan(int(pid), born, [(first, 3.0), (signal.SIGKILL, 3.0)])
    with suppress(OSError):
        pid_file.unlink(missing_ok=True)
