from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_PROBE = bytes(1_000_000)


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that this account may still write there; None if unknown."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None


def refusal(folder: Path) -> str | None:
    """Return the reason why a megabyte cannot be written there (full, over quota, read-only), or None."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(_PROBE)
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return error.strerror or str(error)
    return None
