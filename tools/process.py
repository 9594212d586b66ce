"""Child processes that run within limits and leave nothing behind."""

from __future__ import annotations

import enum
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_TICK_S = 0.1
"""Longest seconds between two checks for cancellation."""
_DRAIN_S = 2.0
"""Seconds to read remaining output after the child has ended."""
_PIECE = 256 * 1024
"""Bytes of one read."""


class Stopped(enum.StrEnum):
    """Reason for which we ended the process."""

    TIME = "time"
    OUTPUT = "output"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    returncode: int
    """Exit code; negative for the signal that ended it."""
    streams: Mapping[str, bytes]
    """Output of each pipe, cut at its limit."""
    stopped: Stopped | None
    duration_s: float


def run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    env: Mapping[str, str],
    cwd: Path,
    timeout_s: float,
    max_output: Mapping[str, int],
    cancelled: Callable[[], bool],
    pass_fds: Sequence[int] = (),
    started: Callable[[int], None] = lambda pid: None,
) -> Finished:
    """Run argv.

    When it exceeds a limit or is cancelled, its process group is killed. `max_output` caps "stdout" and "stderr" in
    bytes. It may name a third pipe, "result", whose writing end is then the last argument of the child.
    """
    began = time.monotonic()
    with ExitStack() as stack:
        # A pipe for stdin could block us while the child writes instead of reading.
        source = stack.enter_context(tempfile.TemporaryFile())
        source.write(stdin)
        source.seek(0)
        pipes = {name: _pipe(stack) for name in max_output}
        child = _start([*argv, *_result_number(pipes)], source, env, cwd, pass_fds, pipes)
        for _, writing in pipes.values():
            writing.close()
        try:
            started(child.pid)
            reader = _Reader(child, {name: reading for name, (reading, _) in pipes.items()}, max_output)
            stopped = reader.read(began + timeout_s, cancelled)
        finally:
            _kill_group(child)
            child.wait()
    return Finished(
        returncode=child.returncode, streams=reader.streams, stopped=stopped, duration_s=time.monotonic() - began
    )


def _pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    return stack.enter_context(os.fdopen(reading, "rb", 0)), stack.enter_context(os.fdopen(writing, "wb", 0))


def _result_number(pipes: Mapping[str, tuple[IO[bytes], IO[bytes]]]) -> list[str]:
    return [str(pipes["result"][1].fileno())] if "result" in pipes else []


def _start(
    argv: Sequence[str],
    stdin: IO[bytes],
    env: Mapping[str, str],
    cwd: Path,
    pass_fds: Sequence[int],
    pipes: Mapping[str, tuple[IO[bytes], IO[bytes]]],
) -> subprocess.Popen[bytes]:
    results = [writing.fileno() for name, (_, writing) in pipes.items() if name == "result"]
    return subprocess.Popen(  # noqa: S603 - argv never holds a shell string
        argv,
        stdin=stdin,
        stdout=pipes["stdout"][1],
        stderr=pipes["stderr"][1],
        env=dict(env),
        cwd=cwd,
        pass_fds=[*pass_fds, *results],
        start_new_session=True,
    )


class _Reader:
    """Reader of a child's pipes. It ends when they close and the child ends, or a limit is exceeded."""

    def __init__(
        self, child: subprocess.Popen[bytes], pipes: Mapping[str, IO[bytes]], max_output: Mapping[str, int]
    ) -> None:
        self._child = child
        self._pipes = pipes
        self._max = max_output
        self._chunks = {name: bytearray() for name in pipes}

    @property
    def streams(self) -> dict[str, bytes]:
        return {name: bytes(chunks[: self._max[name]]) for name, chunks in self._chunks.items()}

    def read(self, deadline: float, cancelled: Callable[[], bool]) -> Stopped | None:
        ended = False
        with selectors.DefaultSelector() as selector:
            for name, pipe in self._pipes.items():
                selector.register(pipe, selectors.EVENT_READ, name)
            while selector.get_map() or not ended:
                self._read_ready(selector, min(_TICK_S, max(deadline - time.monotonic(), 0)))
                if not ended and self._child.poll() is not None:
                    # A grandchild may hold the pipes open: kill it, and read what it wrote before.
                    ended, deadline = True, time.monotonic() + _DRAIN_S
                    _kill_group(self._child)
                if any(len(chunks) > self._max[name] for name, chunks in self._chunks.items()):
                    return Stopped.OUTPUT
                if time.monotonic() >= deadline:
                    return None if ended else Stopped.TIME
                if not ended and cancelled():
                    return Stopped.CANCELLED
        return None

    def _read_ready(self, selector: selectors.BaseSelector, wait_s: float) -> None:
        if not selector.get_map():
            time.sleep(min(wait_s, 0.01))
        for key, _ in selector.select(wait_s) if selector.get_map() else ():
            piece = os.read(key.fd, _PIECE)
            if not piece:
                selector.unregister(key.fileobj)
            self._chunks[key.data] += piece


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        if child.poll() is None:
            child.kill()
