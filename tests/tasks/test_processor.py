"""Detection of a worker that gets too little processor time."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from tasks.engine.processor import Processor

S = 1_000_000_000


class Machine:
    """Thread statistics as Linux shows them for a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processor = Processor(threads=folder)

    def thread(self, name: str, ran_s: float, waited_s: float) -> None:
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "schedstat").write_text(f"{int(ran_s * S)} {int(waited_s * S)} 7\n")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("ran_s", "waited_s", "share"),
    [
        (1, 59, 1 / 60),  # always runnable, never running
        (8, 50, 8 / 58),
        (25, 35, None),  # a busy machine
        (0.1, 3, None),  # needs little and waits for it
        (60, 2, None),
        (0, 0, None),
    ],
)
def test_a_worker_that_asks_and_does_not_get_is_starved(
    machine: Machine, ran_s: float, waited_s: float, share: float | None
) -> None:
    machine.thread("1", 100, 500)
    assert machine.processor.look(0) is None
    machine.thread("1", 100 + ran_s, 500 + waited_s)

    assert machine.processor.look(60) == (share if share is None else pytest.approx(share))


def test_nothing_is_said_of_less_than_half_a_minute(machine: Machine) -> None:
    machine.thread("1", 0, 0)
    machine.processor.look(0)
    machine.thread("1", 0, 25)

    assert machine.processor.look(25) is None


def test_only_the_last_minute_counts_and_threads_come_and_go(machine: Machine) -> None:
    machine.thread("1", 0, 0)
    machine.processor.look(0)
    machine.thread("1", 0, 60)
    assert machine.processor.look(60) == 0
    (machine.folder / "1" / "schedstat").unlink()
    machine.thread("2", 5, 5)
    assert machine.processor.look(90) == pytest.approx(5 / 70)  # includes the thread that has ended
    machine.thread("2", 35, 6)

    assert machine.processor.look(125) is None


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    processor = Processor(threads=tmp_path / "nowhere")

    assert [processor.look(at) for at in (0, 60, 120)] == [None, None, None]


def test_the_log_says_it_once_a_minute(machine: Machine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for share in (None, 0.02, 0.03, None):
        machine.processor.tell(share)

    assert [record.message.split(":")[0] for record in caplog.records] == [
        "the machine gives this worker 2 % of the processor time that it asks for"
    ]
