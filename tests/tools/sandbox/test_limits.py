"""Limits: code that takes too much. The limit is named, the worker is unharmed, and nothing keeps running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pytest

from tests.tools.sandbox.conftest import Run, Spaces, is_nothing_left, spaces_below
from tools.sandbox import Limit


def test_time(run: Run, spaces: Spaces) -> None:
    started = time.monotonic()

    outcome = run(
        """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        print("started")
        while True:
            pass
        """,
        time_s=2,
    )

    assert (outcome.limit, outcome.exit_code, outcome.stdout) == (Limit.TIME, None, "started\n")
    assert time.monotonic() - started < 19
    assert spaces
    assert is_nothing_left(spaces)


def test_a_fork_bomb(run: Run, spaces: Spaces) -> None:
    outcome = run(
        """
        import os, time
        while True:
            os.fork()
        """,
        time_s=10,
    )

    assert outcome.limit is Limit.PROCESSES
    assert "Resource temporarily unavailable" in outcome.stderr
    assert spaces
    assert is_nothing_left(spaces)


def test_a_fork_bomb_that_never_gives_up(run: Run, spaces: Spaces) -> None:
    outcome = run(
        """
        import os
        while True:
            try:
                os.fork()
            except OSError:
                pass
        """,
        time_s=3,
    )

    assert outcome.limit is Limit.TIME
    assert spaces
    assert is_nothing_left(spaces)


def test_two_gigabytes_in_one_process(run: Run) -> None:
    outcome = run("x = bytearray(2 * 1024**3)")

    assert outcome.limit is Limit.MEMORY
    assert "MemoryError" in outcome.stderr


def test_memory_of_many_processes_together(run: Run, spaces: Spaces) -> None:
    outcome = run(
        """
        import os, time
        for _ in range(8):
            if os.fork() == 0:
                x = bytearray(os.urandom(1024)) * (150 * 1024)
                time.sleep(60)
        time.sleep(60)
        """,
        time_s=15,
    )

    assert outcome.limit is Limit.MEMORY
    assert outcome.duration_s < 12
    assert spaces
    assert is_nothing_left(spaces)


@pytest.mark.parametrize("folder", ["/work", "/tmp"])  # noqa: S108
def test_many_files_fill_a_small_disk_only(run: Run, folder: str) -> None:
    outcome = run(
        f"""
        for i in range(12):
            with open(f"{folder}/file{{i}}", "wb") as file:
                file.write(bytes(9 * 1024**2))
        """
    )

    assert outcome.limit is Limit.DISK
    assert "No space left on device" in outcome.stderr


def test_a_flood_of_output_is_cut(run: Run, spaces: Spaces) -> None:
    started = time.monotonic()

    outcome = run("import os\nwhile True:\n    os.write(1, b'x' * 65536)", output_bytes=100_000)

    assert (outcome.limit, outcome.stdout) == (Limit.OUTPUT, "x" * 100_000)
    assert time.monotonic() - started < 60
    assert spaces
    assert is_nothing_left(spaces)


def test_a_daemon_does_not_outlive_its_code(run: Run, spaces: Spaces) -> None:
    outcome = run(
        """
        import os, sys, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                for number in range(3):
                    os.close(number)
                while True:
                    time.sleep(1)
            os._exit(0)
        print("parent ends")
        """
    )

    assert (outcome.exit_code, outcome.stdout, outcome.limit) == (0, "parent ends\n", None)
    assert outcome.duration_s < 19
    assert spaces
    assert is_nothing_left(spaces)


def test_a_cancelled_run_stops_its_code(run: Run, spaces: Spaces) -> None:
    deadline = time.monotonic() + 1

    outcome = run("import time; time.sleep(600)", cancelled=lambda: time.monotonic() > deadline)

    assert outcome.limit is Limit.CANCELLED
    assert outcome.duration_s < 19
    assert spaces
    assert is_nothing_left(spaces)


def test_nothing_outlives_a_worker_that_is_killed(run: Run, spaces: Spaces) -> None:
    worker = (
        "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'tests.settings'; import django; django.setup()\n"
        "from tools import sandbox\n"
        "sandbox.run(sandbox.Job(code='import time; time.sleep(600)', files=[], limits=sandbox.Limits(time_s=600),"
        " cancelled=lambda: False))"
    )
    process = subprocess.Popen([sys.executable, "-c", worker])
    deadline = time.monotonic() + 60
    while not spaces and time.monotonic() < deadline:
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):
                if "/tmp/.code/main.py" in child.cmdline():  # noqa: S108
                    spaces.update(spaces_below(process.pid))

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert spaces
    assert is_nothing_left(spaces)


def test_a_crash_is_an_exit_code(run: Run) -> None:
    outcome = run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")

    assert (outcome.exit_code, outcome.limit) == (-signal.SIGSEGV, None)


def test_limits_cannot_be_raised_from_inside(run: Run) -> None:
    outcome = run(
        """
        import resource
        for what in (resource.RLIMIT_NPROC, resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
            try:
                resource.setrlimit(what, (10**12, 10**12))
                print("raised")
            except ValueError as problem:
                print(problem)
        """
    )

    assert outcome.stdout == "not allowed to raise maximum limit\n" * 3


def test_sandboxes_at_the_same_time_have_users_of_their_own(run: Run) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give the sandbox a user of its own")
    from tools.sandbox import slots

    with slots.user() as one, slots.user() as two:
        assert one is not None
        assert two is not None
        assert one != two
    for _ in range(slots.COUNT + 1):
        with slots.user() as again:
            assert again is not None
