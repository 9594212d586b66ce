"""Full disk for a whole installation: as root a small real one, else a limit on its processes' files."""

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
    """Yield an empty folder; as root it is a small file system of its own, which is removed afterwards."""
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
    """Fill the disk of `folder` during the block, if it is a file system of its own.

    Otherwise the kernel refuses to enlarge any file, for every process that `pids` names at the start and at the end.
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
