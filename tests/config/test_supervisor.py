"""How long the supervisor waits before it starts again what has ended."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.embedded.child import Child
from config.embedded.processes import wait_until
from config.launch.supervisor import Supervisor, Watched
from tests.patience import PATIENCE_S


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def ended(said: list[str]) -> tuple[Supervisor, Watched]:
    """A supervisor of one process that has ended, and does so again whenever it is started."""
    child: Any = SimpleNamespace(pid=None, process=SimpleNamespace(returncode=-9), name="worker1", log="worker1.log")
    supervisor = Supervisor(said.append)
    supervisor.watch("worker", child, lambda: None)
    return supervisor, supervisor.watched[0]


def die(supervisor: Supervisor, watched: Watched, *, after_s: float) -> None:
    """It ends after so many seconds and is started again."""
    watched.started_at -= after_s
    supervisor.look()
    assert watched.due_at is not None
    watched.due_at = 0.0
    supervisor.look()


def pauses(said: list[str]) -> list[str]:
    return [re.findall(r"again in (\S+) s", line)[0] for line in said]


def test_what_never_comes_up_is_tried_less_and_less_often(ended: Any, said: list[str]) -> None:
    for _ in range(7):
        die(*ended, after_s=1)

    assert pauses(said) == ["0.2", "1", "2", "5", "10", "30", "30"]
    assert said[0].startswith("worker1 ended by signal 9;")


def test_what_has_worked_for_a_while_comes_back_at_once(ended: Any, said: list[str]) -> None:
    for after_s in (1, 1, 20, 20, 1):
        die(*ended, after_s=after_s)

    assert pauses(said) == ["0.2", "1", "0.2", "0.2", "1"]


def test_a_child_that_steps_back_is_nicer_than_its_launcher_and_so_is_its_session(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]
    at_ease, behind = (Child(name=f"steps{n}", home=tmp_path, args=command, steps_back=n) for n in (0, 10))
    try:
        for child in (at_ease, behind):
            child.start()
            assert wait_until(lambda child=child: "here" in child.last_words(), PATIENCE_S)

        nice = [os.getpriority(os.PRIO_PROCESS, child.pid or 0) for child in (at_ease, behind)]
        assert nice == [os.nice(0), min(19, os.nice(0) + 10)]
        session = Path(f"/proc/{behind.pid}/autogroup")
        assert not session.exists() or session.read_text().endswith("nice 10\n")
    finally:
        at_ease.stop()
        behind.stop()
