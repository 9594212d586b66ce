"""Sandbox on this machine: bubblewrap, a seccomp filter, a user of its own, limits."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tools import process
from tools.sandbox import bwrap, driver, memory, seccomp, slots
from tools.sandbox.base import Job, Limit, Limits, Outcome, SandboxUnavailable

logger = logging.getLogger(__name__)

_MB = 1024 * 1024
_LAUNCH = Path(__file__).parent / "launch.py"
_START_S = 10.0
"""Seconds of the probe that checks the sandbox."""
_LOOK_EVERY_S = 0.1
"""Seconds between two measurements of memory."""
_STOPPED = {
    process.Stopped.TIME: Limit.TIME,
    process.Stopped.OUTPUT: Limit.OUTPUT,
    process.Stopped.CANCELLED: Limit.CANCELLED,
}
# Python's error messages at limits that do not end the run by themselves.
_SAID = (
    (Limit.MEMORY, re.compile(r"MemoryError|Cannot allocate memory|std::bad_alloc")),
    (Limit.DISK, re.compile(r"No space left on device|Errno 28|File too large|Errno 27")),
    (Limit.PROCESSES, re.compile(r"Resource temporarily unavailable|can't start new thread")),
)


def run(job: Job, *, program: Path) -> Outcome:
    """Run the code to its end or to a limit. Raises SandboxUnavailable."""
    given = _pack(job)
    with ExitStack() as stack, slots.user() as user:
        plan = bwrap.Plan(job.limits, len(given), stack)
        filters = seccomp.program()
        if filters is None:
            raise SandboxUnavailable("There is no system call filter for this kind of processor, so no code is run.")
        argv = [*plan.argv, "--seccomp", str(plan.content(filters)), "--", bwrap.python(), "-B", "-s", "/opt/driver.py"]
        launch = {"program": str(program), "user": user, "argv": argv, "folders": plan.folders}
        watch = _MemoryWatch(job.limits.memory_mb * _MB, job.cancelled)
        done = process.run(
            [sys.executable, "-I", "-S", str(_LAUNCH), json.dumps(launch)],
            stdin=given,
            env={},
            cwd=Path("/"),
            timeout_s=job.limits.time_s,
            max_output={
                "stdout": job.limits.output_bytes,
                "stderr": job.limits.output_bytes,
                "result": job.limits.result_bytes + 8 * _MB,
            },
            cancelled=watch.is_over,
            pass_fds=plan.descriptors,
            started=watch.begin,
        )
    return _outcome(done, watch)


def _pack(job: Job) -> bytes:
    limits = job.limits
    header = {
        "code": job.code,
        "result_bytes": limits.result_bytes,
        "limits": {
            "memory": limits.memory_mb * _MB,
            "disk": limits.disk_mb * _MB,
            "processes": limits.processes,
            "cpu_s": int(limits.time_s) + 1,
        },
    }
    out = io.BytesIO()
    with ExitStack() as stack:
        opened = ((name, path.stat().st_size, stack.enter_context(path.open("rb"))) for name, path in job.files)
        driver.pack(out, header, opened)
    return out.getvalue()


class _MemoryWatch:
    """Callback that decides whether the run must end, by the memory of all its processes together."""

    def __init__(self, most: int, cancelled: Callable[[], bool]) -> None:
        self._most = most
        self._cancelled = cancelled
        self._pid = 0
        self._next_look = 0.0
        self.too_much = False

    def begin(self, pid: int) -> None:
        self._pid = pid

    def is_over(self) -> bool:
        now = time.monotonic()
        if now >= self._next_look:
            self.too_much = memory.of_tree(self._pid) > self._most
            self._next_look = now + _LOOK_EVERY_S
        return self.too_much or self._cancelled()


def _outcome(done: process.Finished, watch: _MemoryWatch) -> Outcome:
    stdout, stderr = (done.streams[name].decode(errors="replace") for name in ("stdout", "stderr"))
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    exit_code: int | None = None
    is_full = False
    if done.stopped is None:
        try:
            parts = driver.unpack(io.BytesIO(done.streams["result"]))
            header = next(parts)
            exit_code, left_out = int(header["exit_code"]), [_readable(name) for name in header["left_out"]][:50]
            is_full = bool(header["full"])
            files = {name: content.read() for name, _, content in parts}
        except (EOFError, ValueError, KeyError, TypeError, StopIteration):
            logger.info("A sandbox ended with %s and gave no result: %s", done.returncode, stderr[-500:])
    limit = Limit.MEMORY if watch.too_much else _STOPPED[done.stopped] if done.stopped else None
    if limit is None and exit_code != 0:
        limit = _limit_named(stderr) or (Limit.DISK if is_full else Limit.MEMORY if exit_code == -9 else None)
    return Outcome(
        exit_code=exit_code,
        stdout=stdout,
        stderr=stderr,
        files=files,
        left_out=left_out,
        limit=limit,
        duration_s=done.duration_s,
    )


def _readable(name: object) -> str:
    """Escape a name from the sandbox. It may be forged, and unpaired surrogates could not be stored."""
    return str(name)[:400].encode(errors="backslashreplace").decode()


def _limit_named(stderr: str) -> Limit | None:
    """Return the limit that the last lines of an error name, or None."""
    tail = stderr[-2000:]
    return next((limit for limit, words in _SAID if words.search(tail)), None)


def probe(program: Path) -> str:
    """Return why this program cannot make a sandbox here, or ""."""
    if seccomp.program() is None:
        return "there is no system call filter for this kind of processor"
    job = Job(code="print('alive')", files=[], limits=Limits(time_s=_START_S), cancelled=lambda: False)
    try:
        outcome = run(job, program=program)
    except OSError as problem:
        return str(problem)
    if outcome.exit_code == 0 and outcome.stdout == "alive\n":
        return ""
    return (outcome.stderr.strip().splitlines() or [f"it ended with {outcome.exit_code}"])[-1]
