"""Whole installation, started with `make up` in a folder of its own, for tests that kill parts of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from config.embedded.ports import free_port
from config.embedded.processes import born_at, wait_until
from tests.timeouts import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
_OURS = {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}


class Installation:
    """Installation with the data folder `home`. Every process seen so far is recorded, so that none is overlooked."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.make: subprocess.Popen[str] | None = None
        self.seen: dict[int, str] = {}
        self._earlier: set[int] = set()
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the installation

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """Return the terminal's output since the last start."""
        self._output.seek(0)
        return self._output.read()

    def start(self, **settings: str) -> None:
        """Start `make up` in its own process group, with the named settings only."""
        _ = self.status
        self._earlier = set(self.seen)
        self._output.seek(0)
        self._output.truncate()
        environment = {name: value for name, value in os.environ.items() if name in _OURS}
        ours = {"PORT": str(self.port), "DESKHAND_VAR": str(self.home), "DESKHAND_DEMO_RUNS": "0", "WEB": "1"}
        environment |= ours | settings
        self.make = subprocess.Popen(
            ["make", "--no-print-directory", "up"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def serve(self, seconds: float = 4 * PATIENCE_S, **settings: str) -> None:
        self.start(**settings)
        self.wait_serving(seconds)

    def wait_serving(self, seconds: float = 4 * PATIENCE_S) -> None:
        assert wait_until(lambda: self.is_serving or self.has_ended, seconds), self.output
        assert self.is_serving, self.output

    @property
    def is_serving(self) -> bool:
        """Return True if the launcher of the last start serves, not one before it that is about to end."""
        status = self.status
        return status["state"] == "serving" and status["pids"]["launcher"][0] not in self._earlier

    @property
    def has_ended(self) -> bool:
        return self.make is None or self.make.poll() is not None

    @property
    def status(self) -> dict[str, Any]:
        """Return the launcher's status while it lives: after a hard kill the file is outdated."""
        nothing: dict[str, Any] = {"state": "", "pids": {}}
        try:
            found = json.loads((self.home / "status.json").read_text())
        except FileNotFoundError:
            return nothing
        if not born_at(found["pids"]["launcher"][0]):
            return nothing
        for pid in (pid for pids in found["pids"].values() for pid in pids):
            if born := born_at(pid):
                self.seen[pid] = born
        return found

    @property
    def state(self) -> str:
        return self.status["state"]

    def pids(self, role: str) -> list[int]:
        return self.status["pids"].get(role, [])

    def processes(self) -> list[int]:
        """Return all its processes and their children (PostgreSQL has many)."""
        return _with_children([pid for pids in self.status["pids"].values() for pid in pids])

    def tree(self, role: str) -> list[int]:
        """Return the processes of that role and their children."""
        return _with_children(self.pids(role))

    @property
    def demo(self) -> dict[str, str]:
        return json.loads((self.home / "demo.json").read_text())

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE_S) as answer:  # noqa: S310 - our own
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def wait_end(self, seconds: float = 2 * PATIENCE_S) -> int:
        """Wait for the end of make; return its exit code."""
        assert self.make
        return self.make.wait(seconds)

    def stop(self) -> int:
        """Stop it as `kill` does: SIGTERM to make alone."""
        assert self.make
        _ = self.status
        self.make.terminate()
        return self.wait_end()

    def kill_everything(self) -> None:
        """Send SIGKILL to every process at once, as when a container loses power.

        Some may have ended already: on a full disk the status is out of date.
        """
        assert self.make
        pids = self.status["pids"]
        for pid in [self.make.pid, *(pid for of_role in pids.values() for pid in of_role)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.make.wait()
        assert wait_until(lambda: not born_at(pids["launcher"][0]), PATIENCE_S)

    def left_behind(self) -> list[int]:
        return [pid for pid, born in self.seen.items() if born_at(pid) == born]

    def remove(self) -> None:
        """Stop the installation at the end of a test, whatever its state."""
        if not self.has_ended:
            self.stop()
        self._output.close()


def exit_on_sigterm() -> None:
    """End this program on SIGTERM as on Ctrl-C, so that what it started is stopped. Call it in the main thread."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def _with_children(pids: list[int]) -> list[int]:
    found = list(pids)
    for pid in found:
        with suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            found += [int(child) for child in children if int(child) not in found]
    return found
