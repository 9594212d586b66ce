"""A disk without room for a whole installation: a small real one as root, else a limit on its processes' files."""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

SIZE_MB = 1024
_CHUNK = bytes(64 * 1024)


@contextmanager
def small_disk(size_mb: int = SIZE_MB) -> Iterator[Path]:
    """An empty folder; as root it is a file system of its own, which disappears with it."""
    folder = Path(tempfile.mkdtemp(prefix="deskhand-disk-"))
    mounts = os.geteuid() == 0
    if mounts:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=711", "tmpfs", folder], check=True)
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        if mounts:
            subprocess.run(["umount", "--lazy", folder], check=True)
        rmtree(folder)


@contextmanager
def no_room(folder: Path, pids: Callable[[], Iterable[int]]) -> Iterator[None]:
    """Fill the disk of `folder` to its last byte, if it is a file system of its own.

    Else the kernel refuses whatever makes a file larger, to every process that `pids` names, before and after.
    """
    if os.path.ismount(folder):
        filler = folder / "filler"
        try:
            _fill(filler)
            yield
        finally:
            filler.unlink()
        return
    _limit(pids(), 0)
    try:
        yield
    finally:
        _limit(pids(), resource.RLIM_INFINITY)


def _fill(filler: Path) -> None:
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(_CHUNK):
            pass
    with filler.open("ab", buffering=0) as file, suppress(OSError):
        while file.write(b"\0"):
            pass


def _limit(pids: Iterable[int], size: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
