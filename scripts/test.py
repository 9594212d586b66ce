"""`make test`: find or fetch a browser, then run pytest on everything or on the part that is named.

Everything runs in one process for each processor core (4 at most; DESKHAND_TEST_PROCESSES), each with services of its
own. The tests that measure (`@pytest.mark.alone`) come last, one after the other. A part runs in one process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import find_chromium

MOST_PROCESSES = 4


def main(parts: list[str]) -> int:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    if _wants_browser(parts):
        if not find_chromium():
            _fetch_chromium()
        environment |= {"DESKHAND_CHROMIUM": find_chromium() or ""}
    codes = [
        subprocess.run([sys.executable, "-m", "pytest", *arguments], cwd=ROOT, env=environment).returncode
        for arguments in runs(parts, _processes())
    ]
    return next((code for code in codes if code), 0)


def runs(parts: list[str], processes: int) -> list[list[str]]:
    """Return the arguments of each pytest run, in order."""
    return [parts] if parts or processes == 1 else [_side_by_side(processes), ["-m", "alone"]]


def _processes() -> int:
    given = os.environ.get("DESKHAND_TEST_PROCESSES", "")
    if given and not (given.isdigit() and int(given) > 0):
        sys.exit(f"DESKHAND_TEST_PROCESSES must be a number from 1, not {given!r}.")
    return int(given) if given else min(len(os.sched_getaffinity(0)), MOST_PROCESSES)


def _side_by_side(processes: int) -> list[str]:
    """Whole files, in the order that tests/conftest.py gives them; a process that dies is not replaced."""
    by_file = ["--dist", "loadfile", "--no-loadscope-reorder", "--max-worker-restart", "0"]
    return ["-n", str(processes), *by_file, "-m", "not alone"]


def _wants_browser(parts: list[str]) -> bool:
    return not parts or any("e2e" in part or part.rstrip("/") == "tests" for part in parts)


def _fetch_chromium() -> None:
    """Install Chromium with apt if running as root.

    If that fails, pytest reports that the browser tests are left out.
    """
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or not apt:
        return
    print("Installing Chromium for the browser tests (once) …", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
        subprocess.run([apt, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
