"""Input and output of a sandbox of any kind."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.spec import ToolRefused


class SandboxUnavailable(ToolRefused):
    """Machine without a sandbox, on which no code is run."""


class Limit(enum.StrEnum):
    """Limit that ended or spoiled a run of code."""

    TIME = "time"
    OUTPUT = "output"
    MEMORY = "memory"
    DISK = "disk"
    PROCESSES = "processes"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    time_s: float = 60
    memory_mb: int = 1024
    """Megabytes of all processes together."""
    disk_mb: int = 256
    """Megabytes that the code may write, beside the files that it was given."""
    processes: int = 32
    output_bytes: int = 1024 * 1024
    """Bytes of stdout and of stderr, each."""
    result_bytes: int = 64 * 1024 * 1024
    """Bytes of new and changed files that are taken out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Python code and the files in its working folder."""

    code: str
    files: Sequence[tuple[str, Path]]
    """Pairs of (name inside, path outside); every name is normalised."""
    limits: Limits
    cancelled: Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    exit_code: int | None
    """Exit code; None if it was stopped, negative for a signal."""
    stdout: str
    stderr: str
    files: Mapping[str, bytes]
    """New and changed files. The names come from inside and are not to be trusted."""
    left_out: Sequence[str]
    """Files that were not taken out, with the reason."""
    limit: Limit | None
    duration_s: float
