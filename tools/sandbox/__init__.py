"""Sandbox for code that nobody has reviewed. Without a sandbox, code is refused, never run unprotected."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from django.conf import settings

from tools.sandbox import bwrap, local
from tools.sandbox.base import Job, Limit, Limits, Outcome, SandboxUnavailable

__all__ = ["Job", "Limit", "Limits", "Outcome", "SandboxUnavailable", "run", "status"]

_ASK_AGAIN_S = 60.0
"""Seconds after which a machine without a sandbox is probed again."""
_lock = threading.Lock()
_found: tuple[float, Path | None, str] | None = None


def run(job: Job) -> Outcome:
    """Run the code in a sandbox. Raises SandboxUnavailable with the reason."""
    program, reason = _program()
    if program is None:
        raise SandboxUnavailable(f"Code cannot be run on this server: {reason}. Use another tool.")
    return local.run(job, program=program)


def status() -> tuple[bool, str]:
    """Return True if code can be run here, else False and why.

    Determined once, and while it is False again after a minute.
    """
    program, reason = _program()
    return program is not None, reason


def _program() -> tuple[Path | None, str]:
    global _found
    with _lock:
        is_old = _found is not None and _found[1] is None and time.monotonic() - _found[0] > _ASK_AGAIN_S
        if _found is None or is_old:
            _found = (time.monotonic(), *_search())
        return _found[1], _found[2]


def _search() -> tuple[Path | None, str]:
    if settings.SANDBOX == "off":
        return None, "the operator has switched the sandbox off"
    if sys.platform != "linux":
        return None, "the sandbox needs Linux"
    reasons = []
    for program in bwrap.programs():
        reason = local.probe(program)
        if not reason:
            return program, ""
        reasons.append(f"{program} says: {reason}")
    return None, "; ".join(reasons) or "bubblewrap is not installed"
