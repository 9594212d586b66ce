"""What every process of the storm's Deskhand does first, because this folder is on its PYTHONPATH.

The launcher starts the real store and tells the others where it is; they go there through the storm's proxy. A worker
gets a clock of its own, right or minutes wrong: as drawn for its name and for how often it was started. It keeps pace
with the others: their leases are short here, and beside other work on the machine one that steps back stands still.
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
"""An object store refuses a clock that is a quarter of an hour wrong; all else here is a matter of seconds."""


def shift(seconds: int) -> None:
    """The ways in which Python programs ask for the time of day. Those that count from some start stay right."""
    more = datetime.timedelta(seconds=seconds)
    right, right_ns = time.time, time.time_ns
    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + seconds * 10**9
    # The class is C's and its own methods do not ask time.time(). It stays the same class, for all that compare types.
    methods = gc.get_referents(datetime.datetime.__dict__)[0]
    now, utcnow = methods["now"], methods["utcnow"]
    methods["now"] = classmethod(lambda cls, tz=None: now.__get__(None, cls)(tz) + more)
    methods["utcnow"] = classmethod(lambda cls: utcnow.__get__(None, cls)() + more)
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(datetime.datetime))


def drawn(seed: str, note: Path) -> int:
    """The clock of this worker's start, which is noted."""
    name = sys.orig_argv[sys.orig_argv.index("-n") + 1]
    started = note.read_text().count(f"{name} ") if note.exists() else 0
    seconds = random.Random(f"{seed}/{name}/{started}").choice((-WRONG_S, 0, WRONG_S))  # noqa: S311
    with note.open("a") as noted:
        noted.write(f"{name} {seconds:+d}\n")
    return seconds


def keep_pace() -> None:
    """Take back what `config.embedded.processes.step_back` did. Only root may."""
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
