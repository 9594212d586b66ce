"""Calls of our own functions in a child process with hard limits.

DuckDB's `memory_limit` is not a limit (measured: one `unnest(range(500000000))` took 7 GB under 512 MB and ignored its
interrupt for seconds), and hostile Parquet files and charts run native code too. In a child, the kernel limits memory,
and a crash or a timeout ends that call only. The child gets no environment variable of ours and dies with us.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import logging
import os
import resource
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools import process
from tools.errors import ToolFailed

logger = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parent.parent
_BOOT = "import sys; sys.path.insert(0, sys.argv[1]); from tools.limited_process import child; child()"
_MAX_ANSWER = 8 * 1024 * 1024
"""Bytes of the JSON that the child returns."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    timeout_s: float
    memory_mb: int
    file_mb: int = 1024


def call(function: str, arguments: Mapping[str, Any], *, limits: Limits, cancelled: Callable[[], bool]) -> Any:
    """Call "package.module:function" in a child and return its JSON result.

    The function also gets `scratch`, a folder of its own. A ToolFailed raised in the child is raised here; a passed
    limit raises one too.
    """
    with tempfile.TemporaryDirectory(prefix="deskhand-", ignore_cleanup_errors=True) as scratch:
        done = process.run(
            [sys.executable, "-I", "-c", _BOOT, str(_ROOT)],
            stdin=_request(function, {**arguments, "scratch": scratch}, limits),
            env=_environment(scratch),
            cwd=Path(scratch),
            timeout_s=limits.timeout_s,
            max_output={"stdout": _MAX_ANSWER, "stderr": 64 * 1024},
            cancelled=cancelled,
        )
    return _answer(function, done, limits)


def cache_folder(name: str) -> Path:
    """Return a folder for what is slow to create, such as matplotlib's font list.

    Another user's folder is never used; a new temporary one is returned then.
    """
    folder = Path(tempfile.gettempdir(), f"deskhand-cache-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    info = folder.lstat()
    if folder.is_symlink() or info.st_uid != os.getuid() or info.st_mode & 0o022:
        return Path(tempfile.mkdtemp(prefix="deskhand-cache-"))
    (folder / name).mkdir(mode=0o700, exist_ok=True)
    return folder / name


def _request(function: str, arguments: Mapping[str, Any], limits: Limits) -> bytes:
    request = {
        "function": function,
        "arguments": arguments,
        "limits": [limits.memory_mb, limits.file_mb, int(limits.timeout_s) + 5],
        "parent": os.getpid(),
    }
    return json.dumps(request).encode()


def _environment(scratch: str) -> dict[str, str]:
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": scratch,
        "TMPDIR": scratch,
        "MPLCONFIGDIR": str(cache_folder("matplotlib")),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
    }


def _answer(function: str, done: process.Finished, limits: Limits) -> Any:
    if done.stopped is process.Stopped.TIME:
        raise ToolFailed(f"It took longer than {limits.timeout_s:.0f} seconds and was stopped. Ask for less at once.")
    if done.stopped is process.Stopped.CANCELLED:
        raise ToolFailed("It was stopped because the run was cancelled.")
    if done.stopped is process.Stopped.OUTPUT:
        raise ToolFailed("The result is too large. Ask for fewer rows or shorter values.")
    reply = json.loads(done.streams["stdout"]) if done.returncode == 0 else {}
    if "failed" in reply:
        raise ToolFailed(reply["failed"])
    if "value" in reply:
        return reply["value"]
    trace = reply.get("crash") or done.streams["stderr"].decode(errors="replace")
    logger.warning("%s ended with %s: %s", function, done.returncode, trace)
    if done.returncode < 0 or "MemoryError" in trace or "bad_alloc" in trace:
        raise ToolFailed(
            f"It needed more than the {limits.memory_mb} MB of memory that a tool may use. Ask for less at once."
        )
    raise RuntimeError(f"{function} failed in its child process")


def child() -> None:
    """Run in the child: read the request, apply the limits, answer once."""
    request = json.load(sys.stdin)
    answer_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    _die_with(request["parent"])
    _take_limits(*request["limits"])
    module, _, name = request["function"].partition(":")
    try:
        value = getattr(importlib.import_module(module), name)(**request["arguments"])
        reply = {"value": value}
    except ToolFailed as problem:
        reply = {"failed": str(problem)}
    except BaseException:  # reported to the parent
        reply = {"crash": traceback.format_exc()[-20_000:]}
    answer_to.write(json.dumps(reply))
    answer_to.flush()
    # Skip exit handlers: some native libraries hang or crash in them under a tight memory limit.
    os._exit(0)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _take_limits(memory_mb: int, file_mb: int, cpu_s: int) -> None:
    for what, limit in (
        (resource.RLIMIT_AS, memory_mb * 1024**2),
        (resource.RLIMIT_FSIZE, file_mb * 1024**2),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (limit, limit))
