"""A whole Deskhand, started with `make up` in a folder of its own, for tests that kill parts of it."""

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
    """`home` is its var folder. Every process that it ever showed is remembered, so that none can be overlooked."""

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
        """What the terminal showed since the last start."""
        self._output.seek(0)
        return self._output.read()

    def start(self, **settings: str) -> None:
        """`make up` in its own process group; it has only the settings that are named."""
        _ = self.status
        self._earlier = set(self.seen)
        self._output.seek(0)
        self._output.truncate()
        environment = {name: value for name, value in os.environ.items() if name in _OURS}
        ours = {"PORT": str(self.port), "DESKHAND_VAR": str(self.home), "DESKHAND_DEMO_RUNS": "0"}
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
        """Whether the launcher of the last start serves, and not one before it that is about to end."""
        status = self.status
        return status["state"] == "serving" and status["pids"]["launcher"][0] not in self._earlier

    @property
    def has_ended(self) -> bool:
        return self.make is None or self.make.poll() is not None

    @property
    def status(self) -> dict[str, Any]:
        """What the launcher says, as long as it lives: after a hard kill the file is as it was."""
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
        """Every process of it, and those that they have started (PostgreSQL has many)."""
        return _with_children([pid for pids in self.status["pids"].values() for pid in pids])

    def tree(self, role: str) -> list[int]:
        """The processes of that role and those that they have started."""
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
        """The exit code of make."""
        assert self.make
        return self.make.wait(seconds)

    def stop(self) -> int:
        """As `kill` does it: SIGTERM to make alone."""
        assert self.make
        _ = self.status
        self.make.terminate()
        return self.wait_end()

    def kill_everything(self) -> None:
        """SIGKILL to every process at once, as when the power of a container goes."""
        assert self.make
        pids = self.status["pids"]
        for pid in [self.make.pid, *(pid for of_role in pids.values() for pid in of_role)]:
            os.kill(pid, signal.SIGKILL)
        self.make.wait()
        assert wait_until(lambda: not born_at(pids["launcher"][0]), PATIENCE_S)

    def left_behind(self) -> list[int]:
        return [pid for pid, born in self.seen.items() if born_at(pid) == born]

    def remove(self) -> None:
        """The end of the test, whatever state it is in."""
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
