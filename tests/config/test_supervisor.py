"""Pauses of the supervisor before restarts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.embedded import PartError
from config.embedded.child import Child
from config.embedded.processes import wait_until
from config.launch import room
from config.launch.room import Room
from config.launch.status import SharedFile
from config.launch.supervisor import Supervisor, Watched
from tests.timeouts import PATIENCE_S


@pytest.fixture
def output() -> list[str]:
    return []


@pytest.fixture
def ended(output: list[str]) -> tuple[Supervisor, Watched]:
    """Return a supervisor of one process that has ended, and ends again after every start."""
    child: Any = SimpleNamespace(pid=None, process=SimpleNamespace(returncode=-9), name="worker1", log="worker1.log")
    supervisor = Supervisor(output.append)
    supervisor.watch("worker", child, lambda: None)
    return supervisor, supervisor.watched[0]


def die(supervisor: Supervisor, watched: Watched, *, after_s: float) -> None:
    """Let the process end after that many seconds and start it again."""
    watched.started_at -= after_s
    supervisor.look()
    assert watched.due_at is not None
    watched.due_at = 0.0
    supervisor.look()


def pauses(output: list[str]) -> list[str]:
    return [re.findall(r"again in (\S+) s", line)[0] for line in output]


def test_what_never_comes_up_is_tried_less_and_less_often(ended: Any, output: list[str]) -> None:
    for _ in range(7):
        die(*ended, after_s=1)

    assert pauses(output) == ["0.2", "1", "2", "5", "10", "30", "30"]
    assert output[0].startswith("worker1 ended by signal 9;")


def test_what_has_worked_for_a_while_comes_back_at_once(ended: Any, output: list[str]) -> None:
    for after_s in (1, 1, 20, 20, 1):
        die(*ended, after_s=after_s)

    assert pauses(output) == ["0.2", "1", "0.2", "0.2", "1"]


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


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            OSError(28, "No space left on device", "web.log"),
            "web cannot be started: No space left on device (web.log).",
        ),
        (OSError(11, "Resource temporarily unavailable"), "web cannot be started: Resource temporarily unavailable."),
        (subprocess.SubprocessError("Exception occurred in preexec_fn."), "web cannot be started: Exception occurred"),
        (PartError("Valkey did not start: it said nothing."), "Valkey did not start: it said nothing."),
    ],
)
def test_what_the_machine_refuses_to_start_is_said_and_tried_again(
    output: list[str], error: Exception, sentence: str
) -> None:
    child: Any = SimpleNamespace(pid=None, process=SimpleNamespace(returncode=-9), name="web", log="web.log")
    tries: list[int] = []

    def start() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise error
        child.pid, child.remember = 1, lambda: None

    supervisor = Supervisor(output.append)
    supervisor.watch("web", child, start)
    for _ in range(4):
        supervisor.look()
        supervisor.watched[0].due_at = supervisor.watched[0].due_at and 0.0
    supervisor.look()

    assert len(tries) == 3
    assert [line.startswith(sentence) for line in output] == [False, True, True]
    assert [re.findall(r"again in (\S+) s", line) for line in output] == [["0.2"], ["1"], ["2"]]


def test_when_there_is_room_again_what_waits_is_started_at_once(ended: Any, output: list[str]) -> None:
    supervisor, watched = ended
    for _ in range(5):
        die(supervisor, watched, after_s=1)
    supervisor.look()
    assert watched.due_at is not None

    supervisor.hurry()
    supervisor.look()

    assert watched.due_at is None
    supervisor.look()
    assert pauses(output)[-2:] == ["30", "0.2"]


def test_a_shared_file_that_cannot_be_written_is_said_once_and_written_later(tmp_path: Path, output: list[str]) -> None:
    file = SharedFile(tmp_path / "gone" / "status.json", output.append)
    file.write("one")
    file.write("two")
    file.retry()
    assert [line.split("(")[0] for line in output] == [f"{tmp_path}/gone/status.json cannot be written "]

    (tmp_path / "gone").mkdir()
    assert wait_until(lambda: file.retry() or (tmp_path / "gone" / "status.json").exists(), PATIENCE_S)

    assert [path.read_text() for path in (tmp_path / "gone").iterdir()] == ["two"]
    assert output[1:] == [f"{tmp_path}/gone/status.json is written again."]


def test_a_disk_with_little_room_is_said_once_and_so_is_its_recovery(
    tmp_path: Path, output: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter((10**9, 99_000_000, 1_000, 150_000_000, 10**9, 10**9))
    monkeypatch.setattr(room, "_EVERY_S", 0.0)
    monkeypatch.setattr(room, "free_bytes", lambda folder: next(left))
    watch = Room([tmp_path], output.append)

    assert [watch.look() for _ in range(6)] == [False, False, False, False, True, False]
    assert [line.removeprefix(f"The disk of {tmp_path} ").split(":")[0] for line in output] == [
        "is almost full",
        "has room again.",
    ]
