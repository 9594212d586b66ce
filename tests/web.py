"""Web process as `make up` starts it, on the test database."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

from config.embedded.ports import answers, free_port
from config.embedded.processes import wait_until
from config.launch.launcher import WEB
from tests.timeouts import PATIENCE_S


@dataclass(frozen=True)
class Served:
    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve(home: Path, environment: Mapping[str, str], more: Sequence[str] = ()) -> Iterator[Served]:
    """Run the server. `more` are further options; its output goes to `home`."""
    port, log = free_port(), home / "server.log"
    environment = os.environ | {"BASE_URL": f"http://127.0.0.1:{port}"} | environment
    command = [sys.executable, "-m", *WEB, "--port", str(port), "--log-level", "warning", *more]
    with log.open("wb") as words:
        process = subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=words, stderr=words)
        try:
            wait_until(lambda: answers(port) or process.poll() is not None, PATIENCE_S)
            if process.poll() is not None or not answers(port):
                pytest.fail(f"the server did not start:\n{log.read_text()}")
            yield Served(port, process.pid)
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
