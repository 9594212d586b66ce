"""Stop of an idle worker: it ends when told, also while a service that it waits for does not answer."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.embedded.processes import born_at, wait_until
from tests.faults.installation import ROOT, Installation
from tests.timeouts import PATIENCE_S

MOST_S = 25.0
"""Seconds. Below the launcher's grace of 40 s; clients of Valkey and PostgreSQL time out twice within it."""


@pytest.fixture(scope="module")
def deskhand() -> Iterator[Installation]:
    home = Path(tempfile.mkdtemp(prefix="deskhand-stopping-"))
    home.chmod(0o711)
    installation = Installation(home / "var")
    installation.serve(DESKHAND_DRAIN_S="5")
    yield installation
    installation.remove()
    shutil.rmtree(home)


@contextmanager
def paused(deskhand: Installation, role: str) -> Iterator[None]:
    pids = deskhand.tree(role)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def ready_worker(deskhand: Installation) -> int:
    """Return the pid of a worker that is ready."""
    log = deskhand.home / "log" / "worker1.log"

    def is_ready() -> bool:
        output = log.read_text()
        [pid] = deskhand.pids("worker") or [0]
        return bool(pid) and f":{pid}" in output and output.rpartition(f":{pid}")[2].count(" ready.") == 1

    assert wait_until(is_ready, PATIENCE_S), log.read_text()[-2000:]
    return deskhand.pids("worker")[0]


@pytest.mark.parametrize("role", ["", "valkey", "postgres"])
def test_an_idle_worker_ends_when_it_is_told_to(deskhand: Installation, role: str) -> None:
    worker = ready_worker(deskhand)

    with paused(deskhand, role):
        os.kill(worker, signal.SIGTERM)
        assert wait_until(lambda: not born_at(worker), MOST_S)

    assert wait_until(lambda: deskhand.pids("worker") not in ([], [worker]), PATIENCE_S)
    assert "worker1 ended with code 0" in deskhand.output


def test_a_bench_that_is_told_to_stop_stops_what_it_started(tmp_path: Path) -> None:
    bench = subprocess.Popen(
        [sys.executable, "-m", "tests.bench", "limits"],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert wait_until(lambda: any(tmp_path.glob("deskhand-bench-*/var/status.json")), 4 * PATIENCE_S)
        [status] = tmp_path.glob("deskhand-bench-*/var/status.json")
        installation = Installation(status.parent)
        assert wait_until(lambda: installation.state == "serving", 4 * PATIENCE_S)
    finally:
        bench.terminate()

    assert bench.wait(2 * PATIENCE_S) == 128 + signal.SIGTERM
    assert wait_until(lambda: installation.left_behind() == [], PATIENCE_S)
    assert not status.exists()
