"""Start-up code of every process of the storm's installation: this folder is on its PYTHONPATH.

The launcher starts the real store and tells the other processes its address; they reach it through the storm's proxy. A
worker gets its own clock, right or minutes wrong, chosen by its name and its number of starts. Workers keep their
normal priority: their leases are short here, and on a busy machine a nice worker would stand still.
"""

from __future__ import annotations

import ctypes
import datetime
import gc
import os
import random
import sys
import time
from contextlib import suppress
from pathlib import Path

WRONG_S = 14 * 60
"""Clock error in seconds. An object store refuses fifteen minutes; for the rest, seconds matter."""


def shift(seconds: int) -> None:
    """Shift all of Python's sources of the time of day. Monotonic clocks stay right."""
    more = datetime.timedelta(seconds=seconds)
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + seconds * 10**9
    # datetime is a C class whose own methods do not call time.time(). It stays the same class for all type checks.
    methods = gc.get_referents(datetime.datetime.__dict__)[0]
    now, utcnow = methods["now"], methods["utcnow"]
    methods["now"] = classmethod(lambda cls, tz=None: now.__get__(None, cls)(tz) + more)
    methods["utcnow"] = classmethod(lambda cls: utcnow.__get__(None, cls)() + more)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


def drawn(seed: str, note: Path) -> int:
    """Choose and record the clock error of this start of the worker."""
    name = sys.orig_argv[sys.orig_argv.index("-n") + 1]
    started = note.read_text().count(f"{name} ") if note.exists() else 0
    seconds = random.Random(f"{seed}/{name}/{started}").choice((-WRONG_S, 0, WRONG_S))  # noqa: S311
    with note.open("a") as noted:
        noted.write(f"{name} {seconds:+d}\n")
    return seconds


def keep_pace() -> None:
    """Undo `config.embedded.processes.step_back`. Only root may."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)
        Path("/proc/self/autogroup").write_text("0")


if "S3_ENDPOINT_URL" in os.environ and "CHAOS_STORE" in os.environ:
    os.environ["S3_ENDPOINT_URL"] = os.environ["CHAOS_STORE"]
if "CHAOS_CLOCKS" in os.environ and {"celery", "worker"}.issubset(sys.orig_argv):
    shift(drawn(os.environ["CHAOS_CLOCKS"], Path(os.environ["DESKHAND_VAR"]) / "clocks"))
    keep_pace()
elif "DESKHAND_TEST_CLOCK_SHIFT_S" in os.environ:
    shift(int(os.environ["DESKHAND_TEST_CLOCK_SHIFT_S"]))
