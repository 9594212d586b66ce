"""Web server of one process beside the installation, for comparisons."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from config.embedded.ports import answers, free_port
from config.embedded.processes import wait_until
from tests.faults.installation import ROOT

UNLIMITED = {"DESKHAND_API_RATE": "1000000/min", "DESKHAND_TEAM_API_RATE": "1000000/min"}


@contextmanager
def server(application: str, **settings: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", application, "--port", str(port), "--log-level", "error"]
    environment = os.environ | UNLIMITED | {"LOG_LEVEL": "ERROR"} | settings
    process = subprocess.Popen([*command, "--no-access-log", "--lifespan", "off"], cwd=ROOT, env=environment)
    try:
        if not wait_until(lambda: answers(port), 30):
            raise RuntimeError(f"{application} does not start")
        yield port
    finally:
        process.terminate()
        process.wait(20)
