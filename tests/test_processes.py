"""Division of the tests between processes by `make test`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.test import runs
from tests.conftest import spread

ROOT = Path(__file__).resolve().parent.parent


class Item:
    def __init__(self, path: str) -> None:
        self.path = path


def test_everything_runs_side_by_side_but_for_what_measures():
    together, alone = runs([], 3)

    assert together[:2] == ["-n", "3"]
    assert together[-2:] == ["-m", "not alone"]
    assert alone == ["-m", "alone"]


@pytest.mark.parametrize(("parts", "processes"), [(["tests/tasks"], 2), ([], 1), (["tests/e2e", "-x"], 4)])
def test_a_part_and_a_single_core_take_one_process(parts, processes):
    assert runs(parts, processes) == [parts]


def test_a_failure_in_either_run_is_the_exit_code(tmp_path):
    """A copy of the script beside a pytest that fails when it runs alone."""
    for name, text in {
        "scripts/test.py": (ROOT / "scripts/test.py").read_text(),
        "tests/__init__.py": "",
        "tests/browser.py": "def find_chromium(): return 'there'",
        "pytest.py": "import sys; print(sys.argv[1:]); sys.exit(3 if sys.argv[-1] == FAILS else 0)",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    given = (tmp_path / "pytest.py").read_text()

    for fails, code in {"alone": 3, "not alone": 3, "neither": 0}.items():
        (tmp_path / "pytest.py").write_text(given.replace("FAILS", repr(fails)))
        done = subprocess.run(
            [sys.executable, "scripts/test.py"],
            cwd=tmp_path,
            env={"DESKHAND_TEST_PROCESSES": "2", "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        assert len(re.findall(r"(?m)^\[", done.stdout)) == 2


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_a_number_of_processes_that_cannot_be_is_named(given):
    done = subprocess.run(
        [sys.executable, "scripts/test.py"],
        cwd=ROOT,
        env={"DESKHAND_TEST_PROCESSES": given, "PATH": "/usr/bin:/bin", "DESKHAND_CHROMIUM": "/bin/true"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == f"DESKHAND_TEST_PROCESSES must be a number from 1, not {given!r}.\n"


def test_files_that_wait_lie_evenly_between_the_others():
    quick, slow = [Item(f"q{n}") for n in range(6) for _ in range(2)], [Item(f"s{n}") for n in range(2)]
    items = [*slow, *quick]

    spread(items, set(slow))

    assert " ".join(item.path for item in items) == "s0 q0 q0 q1 q1 q2 q2 s1 q3 q3 q4 q4 q5 q5"
