"""Child process: limited by the kernel, without our environment, gone when the call ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.timeouts import PATIENCE_S
from tools import limited_process
from tools.errors import ToolFailed

HERE = "tests.tools.test_confined"


def call(
    name: str,
    *,
    timeout_s: float = 20,
    memory_mb: int = 512,
    cancelled: Callable[[], bool] = lambda: False,
    **more: Any,
) -> Any:
    limits = limited_process.Limits(timeout_s=timeout_s, memory_mb=memory_mb, file_mb=1)
    return limited_process.call(f"{HERE}:{name}", more, limits=limits, cancelled=cancelled)


# ---- Functions for the child


def echo(scratch: str, **more: Any) -> Any:
    print("noise that a library prints")
    return {"scratch": scratch, "pid": os.getpid(), "environment": dict(os.environ), **more}


def fail(scratch: str) -> None:
    raise ToolFailed("Because.")


def crash(scratch: str) -> None:
    raise KeyError("a bug")


def grab(scratch: str) -> int:
    return len(bytearray(2 * 1024**3))


def spin(scratch: str) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(scratch, "started").touch()
    while True:
        pass


def die(scratch: str) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def flood(scratch: str) -> str:
    return "x" * 20_000_000


def fill(scratch: str) -> None:
    with open(Path(scratch, "big"), "wb") as file:
        file.write(bytes(5_000_000))


def leave_behind(scratch: str) -> int:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]).pid


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# ---- Tests


def test_a_value_comes_back_and_nothing_of_our_environment_goes_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-canary")

    answer = call("echo", text="é", many=[1, None])

    assert (answer["text"], answer["many"]) == ("é", [1, None])
    assert answer["pid"] != os.getpid()
    assert "sk-canary" not in str(answer["environment"])
    assert set(answer["environment"]) <= {
        "PATH", "LANG", "LC_CTYPE", "TZ", "HOME", "TMPDIR", "MPLCONFIGDIR", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS",
    }  # fmt: skip
    assert not Path(answer["scratch"]).exists()
    assert is_gone(answer["pid"])


def test_a_refusal_in_the_child_is_one_here() -> None:
    with pytest.raises(ToolFailed, match=r"^Because\.$"):
        call("fail")


def test_a_bug_is_logged_here_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RuntimeError, match=r"failed in its child process$"):
        call("crash")

    assert "KeyError: 'a bug'" in caplog.text


@pytest.mark.parametrize("name", ["grab", "die"])
def test_memory_and_crashes_end_the_call_only(name: str) -> None:
    with pytest.raises(ToolFailed, match="more than the 512 MB of memory"):
        call(name)


def test_time_is_limited_even_when_term_is_ignored() -> None:
    with pytest.raises(ToolFailed, match="longer than 1 seconds"):
        call("spin", timeout_s=1)

    children = [one for one in psutil.process_iter(["ppid", "cmdline"]) if one.info["ppid"] == os.getpid()]
    assert not [one for one in children if "tools.limited_process" in " ".join(one.info["cmdline"] or [])]


def test_a_cancelled_run_stops_its_call() -> None:
    calls = iter([False, False, True])

    with pytest.raises(ToolFailed, match="cancelled"):
        call("spin", cancelled=lambda: next(calls, True))


@pytest.mark.promise("G23")
def test_output_and_files_are_limited() -> None:
    with pytest.raises(ToolFailed, match="too large"):
        call("flood")
    with pytest.raises((ToolFailed, RuntimeError)):
        call("fill")


def test_nothing_is_left_running() -> None:
    pid = call("leave_behind")

    deadline = time.monotonic() + PATIENCE_S
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert is_gone(pid)


def test_the_child_dies_with_the_worker(tmp_path: Path) -> None:
    worker = (
        "from tools import limited_process; from tests.tools.test_confined import call; call('spin', timeout_s=600)"
    )
    process = subprocess.Popen([sys.executable, "-c", worker], env={**os.environ, "TMPDIR": str(tmp_path)})
    deadline = time.monotonic() + PATIENCE_S
    while not list(tmp_path.glob("*/started")) and time.monotonic() < deadline:
        time.sleep(0.05)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children

    process.kill()
    process.wait()

    _, alive = psutil.wait_procs(children, timeout=PATIENCE_S)
    assert [child for child in alive if not is_gone(child.pid)] == []


def test_a_cache_folder_that_is_not_ours_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    mine = limited_process.cache_folder("matplotlib")
    assert mine == tmp_path / f"deskhand-cache-{os.getuid()}" / "matplotlib"

    (tmp_path / f"deskhand-cache-{os.getuid()}").chmod(0o777)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    other = limited_process.cache_folder("matplotlib")
    assert other.parent != mine.parent
