"""Size of logs: bounded while the processes that write them live."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded import logs
from config.embedded.child import Child
from config.embedded.processes import wait_until
from tests.timeouts import PATIENCE_S


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Log file, and the descriptor that a process keeps open, as `Child` opens it."""
    path = tmp_path / "web.log"
    descriptor = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    yield path, descriptor
    os.close(descriptor)


def contents(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir()}


def test_a_log_that_is_kept_open_goes_on_in_an_empty_file(log: tuple[Path, int]) -> None:
    path, process = log
    os.write(process, b"first\n" * 10)

    assert logs.rotate(path, limit=59) is True
    os.write(process, b"second\n")

    assert contents(path) == {"web.log": b"second\n", "web.log.1": b"first\n" * 10}
    assert path.with_name("web.log.1").stat().st_mode & 0o777 == 0o600


def test_a_log_up_to_the_limit_is_left_alone(log: tuple[Path, int]) -> None:
    path, process = log
    os.write(process, bytes(60))

    assert logs.rotate(path, limit=60) is False
    assert contents(path) == {"web.log": bytes(60)}


def test_only_so_many_older_files_are_kept(log: tuple[Path, int]) -> None:
    path, process = log
    for n in range(6):
        os.write(process, b"%d" % n * 10)
        assert logs.rotate(path, limit=9, older=3) is True

    assert contents(path) == {
        "web.log": b"",
        "web.log.1": b"5" * 10,
        "web.log.2": b"4" * 10,
        "web.log.3": b"3" * 10,
    }


def test_without_room_for_the_copy_nothing_is_lost(log: tuple[Path, int]) -> None:
    path, process = log
    os.write(process, b"old\n" * 1000)
    logs.rotate(path, limit=10)
    os.write(process, b"new\n" * 1000)
    before = contents(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        rotated = [logs.rotate(path, limit=10) for _ in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert rotated == [False, False, False]
    assert contents(path) == {"web.log": before["web.log"], "web.log.2": before["web.log.1"]}
    assert logs.rotate(path, limit=10) is True
    assert contents(path) == {"web.log": b"", "web.log.1": b"new\n" * 1000, "web.log.2": b"old\n" * 1000}


def test_a_child_that_talks_without_end_stays_within_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs.rotate, "__defaults__", (50_000, 2))
    child = Child(name="talker", home=tmp_path, args=[sys.executable, "-uc", "while True: print('line ' * 20)"])
    child.start()
    try:
        for _ in range(4):
            assert wait_until(lambda: child.log.stat().st_size > 50_000, PATIENCE_S)
            child.rotate_log()
            assert b"line" in wait_for_words(child)
    finally:
        child.stop()

    assert sorted(file.name for file in child.log.parent.iterdir()) == ["talker.log", "talker.log.1", "talker.log.2"]


def wait_for_words(child: Child) -> bytes:
    assert wait_until(lambda: bool(child.last_words()), PATIENCE_S)
    return child.last_words().encode()
