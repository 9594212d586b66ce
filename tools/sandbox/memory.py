"""Memory of a process and all its descendants. A limit for each process would not bound thirty of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

_PAGE = os.sysconf("SC_PAGE_SIZE")


def of_tree(root: int) -> int:
    """Return the bytes of the process and all its descendants; shared pages count once."""
    children = _children()
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        total += _of_process(pid)
    return total


def _children() -> Mapping[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as file:
                # The name, in brackets, may contain anything; the parent is the second field after it.
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        found.setdefault(parent, []).append(int(entry))
    return found


def _of_process(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            match = re.search(rb"^Pss:\s+(\d+) kB", file.read(), re.MULTILINE)
            if match:
                return int(match[1]) * 1024
    except OSError:
        pass
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0
