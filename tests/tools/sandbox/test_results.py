"""Input and output of the sandbox."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools.sandbox.conftest import Run
from tools import process, sandbox
from tools.sandbox import bwrap, driver, local, seccomp


def test_files_go_in_and_new_and_changed_ones_come_out(run: Run) -> None:
    outcome = run(
        """
        import os
        print(sorted(os.listdir()), open("sub/a.txt").read(), os.getcwd())
        open("sub/a.txt", "a").write("!")
        open("same.txt", "w").write("same")
        os.makedirs("out/deep")
        open("out/deep/new.bin", "wb").write(bytes(range(256)))
        open(".hidden", "w").write("x")
        os.symlink("/etc/passwd", "link")
        os.mkfifo("pipe")
        """,
        files={"sub/a.txt": b"one", "same.txt": b"same", "gone.txt": b"x"},
    )

    assert outcome.stdout == "['gone.txt', 'same.txt', 'sub'] one /work\n"
    assert outcome.files == {"sub/a.txt": b"one!", "out/deep/new.bin": bytes(range(256))}
    assert outcome.left_out == ["link (a link)"]
    assert (outcome.exit_code, outcome.limit) == (0, None)


def test_names_that_cannot_be_kept_are_told_and_the_other_files_come_out(run: Run) -> None:
    outcome = run(
        r"""
        import os
        open(b"caf\xe9.txt", "w").write("x")
        open("a" * 250 + ".txt", "w").write("just fits")
        os.makedirs("/".join(["d" * 200] * 3))
        open("/".join(["d" * 200] * 3) + "/long.txt", "w").write("x")
        for _ in range(40):
            os.mkdir("deep" * 60), os.chdir("deep" * 60)
        open("too_deep.txt", "w").write("x")
        os.chdir("/work")
        open("good.txt", "w").write("kept")
        """
    )

    assert (outcome.exit_code, outcome.limit) == (0, None)
    assert outcome.files == {"a" * 250 + ".txt": b"just fits", "good.txt": b"kept"}
    assert outcome.left_out[0] == "caf\\xe9.txt (its name is not UTF-8)"
    assert outcome.left_out[1] == f"{'d' * 100}… (its name is longer than 255 bytes)"


def test_results_are_kept_when_the_code_fails(run: Run) -> None:
    outcome = run("open('half.csv', 'w').write('a')\nraise ValueError('no')")

    assert outcome.exit_code == 1
    assert outcome.files == {"half.csv": b"a"}
    assert outcome.stderr.endswith("ValueError: no\n")


def test_too_many_and_too_large_results_are_left_out_and_named(run: Run) -> None:
    outcome = run(
        "open('a', 'wb').write(bytes(600_000))\nopen('b', 'wb').write(bytes(600_000))\nopen('c', 'wb').write(b'c')",
        result_bytes=1_000_000,
    )

    assert {name: len(content) for name, content in outcome.files.items()} == {"a": 600_000, "c": 1}
    assert outcome.left_out == ["b (too many or too large)"]


def test_packages_can_be_imported_and_charts_drawn(run: Run) -> None:
    outcome = run(
        """
        import duckdb, numpy, openpyxl
        from matplotlib.figure import Figure
        figure = Figure(); figure.add_subplot().plot(numpy.arange(3)); figure.savefig("chart.png")
        print(duckdb.sql("SELECT 42").fetchall(), numpy.ones(3).sum())
        """,
        memory_mb=1024,
    )

    assert outcome.stdout == "[(42,)] 3.0\n", outcome
    assert outcome.files["chart.png"].startswith(b"\x89PNG")


def test_modules_of_the_run_can_be_imported(run: Run) -> None:
    assert run("import helper; print(helper.x)", files={"helper.py": b"x = 7"}).stdout == "7\n"


def test_a_forged_result_is_no_result(run: Run) -> None:
    """Write into the driver's pipe from the code: at worst its own files are missing."""
    outcome = run(
        """
        import os
        driver = os.getppid()
        for number in os.listdir(f"/proc/{driver}/fd"):
            try:
                if "pipe" in os.readlink(f"/proc/{driver}/fd/{number}") and int(number) > 2:
                    with open(f"/proc/{driver}/fd/{number}", "wb", 0) as pipe:
                        pipe.write(b"\\xff" * 1000)
            except OSError:
                pass
        """
    )

    assert outcome.files == {}
    assert outcome.exit_code in {0, None}


def test_code_that_kills_its_driver_has_no_result(run: Run) -> None:
    outcome = run("import os, signal, time; os.kill(os.getppid(), signal.SIGKILL); time.sleep(30)")

    assert (outcome.exit_code, outcome.files) == (None, {})
    assert outcome.duration_s < 10


# ---- The format


def test_packing_and_unpacking_are_each_others_reverse() -> None:
    out = io.BytesIO()
    driver.pack(out, {"é": [1, None]}, [("a/ü.txt", 3, io.BytesIO(b"abc")), ("empty", 0, io.BytesIO())])
    out.seek(0)

    header, *files = driver.unpack(out)

    assert header == {"é": [1, None]}
    assert [(name, size) for name, size, _ in files] == [("a/ü.txt", 3), ("empty", 0)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\x00\x01\x00\x00" + b"[" * 65_536,
        b"\xff" * 100,
        b"\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x02{}\x00\x00\x00\x01a" + b"\xff" * 8 + b"x",
    ],
)
def test_a_broken_stream_is_an_error_and_not_a_hang(content: bytes) -> None:
    def read_all() -> None:
        for part in driver.unpack(io.BytesIO(content)):
            if isinstance(part, tuple):
                part[2].read()

    with pytest.raises((EOFError, ValueError)):
        read_all()


# ---- The filter


def test_there_is_a_filter_for_the_usual_processors_and_none_for_others() -> None:
    for machine in ("x86_64", "aarch64"):
        code = seccomp.program(machine)
        assert code is not None
        assert len(code) % 8 == 0
        assert len(code) // 8 < 4096
    assert seccomp.program("mips") is None


# ---- Machines without a sandbox


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sandbox status that has not been determined yet."""
    monkeypatch.setattr(sandbox, "_found", None)


@pytest.mark.usefixtures("forgotten")
def test_a_machine_without_bubblewrap_refuses_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bwrap, "programs", list)

    assert sandbox.status() == (False, "bubblewrap is not installed")
    with pytest.raises(
        sandbox.SandboxUnavailable, match="Code cannot be run on this server: bubblewrap is not installed"
    ):
        sandbox.run(sandbox.Job(code="print(1)", files=[], limits=sandbox.Limits(), cancelled=lambda: False))


def test_a_machine_that_allows_no_user_namespace_says_so() -> None:
    """Run in a user namespace that allows no further one, as on a hardened machine."""
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare program to make such a machine with")
    ask = "import django; django.setup(); from tools import sandbox; print(*sandbox.status(), sep='|')"
    shell = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'

    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "sh", "-c", shell, "sh", sys.executable, "-c", ask],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )

    is_there, reason = done.stdout.strip().split("|")
    assert is_there == "False", done
    assert "bwrap says: bwrap: " in reason
    assert "namespace" in reason.lower()


@pytest.mark.usefixtures("forgotten")
def test_the_answer_no_is_kept_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, asked = [1000.0], []
    monkeypatch.setattr(bwrap, "programs", lambda: [Path(shutil.which("true") or "/bin/true")])
    monkeypatch.setattr(local, "probe", lambda program: (asked.append(program), "no")[1])
    monkeypatch.setattr(sandbox.time, "monotonic", lambda: now[0])

    for later in (0, 30, 31, 1):
        now[0] += later
        assert sandbox.status()[0] is False

    assert len(asked) == 2


@pytest.mark.usefixtures("forgotten")
def test_an_operator_can_switch_it_off(settings: Any) -> None:
    settings.SANDBOX = "off"

    assert sandbox.status() == (False, "the operator has switched the sandbox off")


def test_what_other_users_see_of_a_sandbox_holds_no_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    real = process.run

    def spy(argv: Any, **more: Any) -> Any:
        seen.append((argv, more["env"]))
        return real(argv, **more)

    monkeypatch.setattr(process, "run", spy)

    run("print('my code')")

    [(argv, env)] = seen
    assert "my code" not in str(argv)
    assert env == {}
