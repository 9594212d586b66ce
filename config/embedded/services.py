"""PostgreSQL, Valkey and S3 together, in one folder that one launcher owns at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import IO, Protocol

from config.embedded import keys
from config.embedded.child import Child
from config.embedded.errors import PartError
from config.embedded.objects import Objects
from config.embedded.postgres import Postgres
from config.embedded.processes import wait_until
from config.embedded.valkey import Valkey

_LOCK_S = 2.0
ALL = ("postgres", "valkey", "s3")
PRIVATE_FOLDERS = ("mail", "log", "run", "s3", "valkey", "workspaces")
"""Subfolders of the data folder closed to others. `pg` belongs to PostgreSQL's account, which closes it itself."""
UNFINISHED_RESTORE = ".restoring"
"""Name of the file that marks a restore in progress; it contains the path of the backup."""


class Part(Protocol):
    name: str
    title: str
    child: Child

    @property
    def env(self) -> dict[str, str]: ...
    def start(self) -> None: ...
    def wait_ready(self) -> None: ...
    def stop(self) -> None: ...


class Services:
    """PostgreSQL, Valkey and S3 under `home`.

    `fast` trades durability for speed and is for tests only. `only` names the parts to start: those that the
    environment already has elsewhere stay out.
    """

    def __init__(self, home: Path | str, *, fast: bool = False, only: Collection[str] = ALL) -> None:
        self.home = _own(Path(home).resolve())
        self._lock = _lock(self.home)
        self.keys = keys.load(self.home)
        makers: dict[str, Callable[..., Part]] = {"postgres": Postgres, "valkey": Valkey, "s3": Objects}
        self.parts = [make(home=self.home, keys=self.keys, fast=fast) for name, make in makers.items() if name in only]

    @property
    def env(self) -> dict[str, str]:
        """Return the variables by which the application reaches the services."""
        return {name: value for part in self.parts for name, value in part.env.items()}

    @property
    def pids(self) -> dict[str, list[int]]:
        return {part.name: [part.child.pid] for part in self.parts if part.child.pid}

    def start(self) -> None:
        try:
            for part in self.parts:
                part.start()
            for part in self.parts:
                part.wait_ready()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        for part in self.parts:
            part.child.signal_stop()
        for part in self.parts:
            part.child.wait_stopped()
        self._lock.close()


def _own(home: Path) -> Path:
    """Create the folder and check that it is writable. As root, other accounts may pass through it."""
    try:
        if not home.exists():
            home.mkdir(parents=True)
            home.chmod(0o711 if os.geteuid() == 0 else 0o700)
        probe = home / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
        _close_folders(home)
    except OSError as error:
        raise PartError(
            f"The data folder {home} cannot be used ({error.strerror}): "
            f"make it writable for this account, or name another one in DESKHAND_VAR."
        ) from error
    return home


def _close_folders(home: Path) -> None:
    """Close the folders with customers' data to other accounts: earlier versions left some open."""
    for folder in (home / name for name in PRIVATE_FOLDERS):
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o700)


def _lock(home: Path) -> IO[str]:
    """Lock the folder until the launcher ends.

    After a kill the kernel takes a moment to release it, so retry briefly.
    """
    try:
        file = (home / ".lock").open("a")
    except OSError as error:
        raise PartError(f"The data folder {home} cannot be locked ({error.strerror}).") from error

    def taken() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    if not wait_until(taken, _LOCK_S):
        file.close()
        raise InUse(f"Deskhand already runs on {home}: stop it first, or name another folder in DESKHAND_VAR.")
    return file


class InUse(PartError):
    """Another launcher owns the folder."""
