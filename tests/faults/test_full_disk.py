"""Disk that fills up under `make up`: it is reported, what can run does, and all recovers when there is room."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from config.embedded.processes import born_at, wait_until
from tests.faults.disk import no_room, small_disk
from tests.faults.installation import Installation
from tests.timeouts import PATIENCE_S

ROLES = ("postgres", "valkey", "s3", "web", "worker", "beat")


@pytest.fixture
def deskhand() -> Iterator[Installation]:
    with small_disk() as folder:
        installation = Installation(folder / "var")
        try:
            yield installation
        finally:
            installation.remove()


def is_live(deskhand: Installation) -> bool:
    try:
        return deskhand.get("/health/live/")[0] == 200
    except OSError:
        return False


def is_ready(deskhand: Installation) -> bool:
    try:
        return deskhand.get("/health/ready/")[0] == 200
    except OSError:
        return False


def test_a_full_disk_ends_nothing_that_can_run_and_all_is_back_with_the_room(deskhand: Installation) -> None:
    deskhand.serve()
    assert wait_until(lambda: is_ready(deskhand), PATIENCE_S)
    before = {role: deskhand.pids(role) for role in (*ROLES, "launcher")}

    with no_room(deskhand.home.parent, deskhand.processes):
        for role in ROLES:
            os.kill(before[role][0], signal.SIGKILL)
        assert wait_until(lambda: not any(born_at(pid) for role in ROLES for pid in before[role]), PATIENCE_S)
        assert wait_until(lambda: is_live(deskhand), PATIENCE_S), deskhand.output
        assert deskhand.has_ended is False

    assert wait_until(lambda: is_ready(deskhand), 2 * PATIENCE_S), deskhand.output
    assert deskhand.pids("launcher") == before["launcher"]
    now = deskhand.status["pids"]
    assert all(len(now[role]) == 1 and now[role] != before[role] and born_at(now[role][0]) for role in ROLES), now
    assert "status.json cannot be written" in deskhand.output
    assert "status.json is written again" in deskhand.output
    assert "Traceback" not in deskhand.output
    assert sorted(deskhand.home.glob("valkey.unreadable-*")) == []

    deskhand.stop()
    assert deskhand.left_behind() == []
    assert not list(deskhand.home.glob("run/*.pid"))
    assert not list(deskhand.home.glob(".*.json.*"))
