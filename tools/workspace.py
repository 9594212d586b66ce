"""Folder of a run: the only files that a tool may see.

Every name is normalised and every component is opened without following links, so that no name, and no link that
sandboxed code left, leads outside.
"""

from __future__ import annotations

import os
import secrets
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from accounts.errors import DISK_FULL, Unavailable, is_disk_full
from accounts.hidden_characters import has_hidden
from tools.errors import ToolFailed

MAX_NAME_BYTES = 255
MAX_DEPTH = 10
"""Nested folders."""
MAX_FILES = 500
MAX_BYTES = 500 * 1024 * 1024
HIDDEN = "."
"""Prefix of half-written or private files, which are neither listed nor delivered."""


@dataclass(frozen=True, slots=True)
class Entry:
    """File of the workspace."""

    name: str
    size: int


def normalise(name: str) -> str:
    """Return the canonical form of a file name inside the workspace. Raises ToolFailed."""
    text = unicodedata.normalize("NFC", name.strip())
    if not text:
        raise ToolFailed("The file name is empty.")
    if "\\" in text or has_hidden(text):
        raise ToolFailed("A file name may not hold backslashes, control characters or invisible characters.")
    if text.startswith("/"):
        raise ToolFailed("Name a file of this run without a leading slash, such as 'report.md'.")
    parts = [part for part in text.split("/") if part not in {"", "."}]
    if not parts or ".." in parts:
        raise ToolFailed("A file name may not lead out of this run's folder.")
    if any(part.startswith(HIDDEN) or part != part.strip() for part in parts):
        raise ToolFailed("A file name may not start with a dot or end with a space.")
    result = "/".join(parts)
    if len(result.encode()) > MAX_NAME_BYTES:
        raise ToolFailed(f"The file name is too long: at most {MAX_NAME_BYTES} bytes.")
    if len(parts) > MAX_DEPTH:
        raise ToolFailed(f"The file name is too deep: at most {MAX_DEPTH} folders.")
    return result


def open_read(root: Path, name: str) -> IO[bytes]:
    """Open the file for reading. Raises ToolFailed with the names that exist."""
    clean_name = normalise(name)
    try:
        folder = _open_folder(root, clean_name, make=False)
        try:
            # Without O_NONBLOCK a named pipe would block the tool's thread for ever.
            fd = os.open(
                Path(clean_name).name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder
            )
        finally:
            os.close(folder)
    except OSError:
        raise ToolFailed(_no_such_file(root, clean_name)) from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise ToolFailed(_no_such_file(root, clean_name))
    return os.fdopen(fd, "rb")


def write(root: Path, name: str, content: bytes) -> str:
    """Write the whole file or nothing of it.

    Return the normalised name. Raises ToolFailed, or Unavailable if the disk is full.
    """
    clean_name = normalise(name)
    _require_room(root, clean_name, len(content))
    try:
        folder = _open_folder(root, clean_name, make=True)
    except OSError as problem:
        if is_disk_full(problem):
            raise Unavailable(DISK_FULL) from problem
        raise ToolFailed(f"There is a file in the way of the folder of '{clean_name}'.") from None
    part = f"{HIDDEN}part-{secrets.token_hex(8)}"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600, dir_fd=folder), "wb") as file:
            file.write(content)
        os.replace(part, Path(clean_name).name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as problem:
        _remove_quietly(part, folder)
        if is_disk_full(problem):
            raise Unavailable(DISK_FULL) from problem
        raise ToolFailed(f"'{clean_name}' cannot be written: {problem.strerror}.") from None
    finally:
        os.close(folder)
    return clean_name


def walk(root: Path) -> Iterator[Entry]:
    """Yield every regular file below the root by name, without links, devices and half-written files."""
    for folder, folders, files in os.walk(root, followlinks=False):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        for file in sorted(name for name in files if not name.startswith(HIDDEN)):
            path = Path(folder, file)
            info = path.lstat()
            if stat.S_ISREG(info.st_mode):
                yield Entry(path.relative_to(root).as_posix(), info.st_size)


def path_of(root: Path, name: str) -> Path:
    """Return the path of the file, for libraries that open by path.

    Checks first that it is a regular file inside. Raises ToolFailed.
    """
    open_read(root, name).close()
    return root / normalise(name)


def _open_folder(root: Path, name: str, *, make: bool) -> int:
    """Open the file's folder step by step without following a link. The caller closes the descriptor."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    for part in Path(name).parts[:-1]:
        try:
            if make:
                _make_folder(part, fd)
            deeper = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=fd)
        finally:
            os.close(fd)
        fd = deeper
    return fd


def _make_folder(part: str, fd: int) -> None:
    try:
        os.mkdir(part, 0o700, dir_fd=fd)
    except FileExistsError:
        return


def _remove_quietly(part: str, folder: int) -> None:
    try:
        os.unlink(part, dir_fd=folder)
    except FileNotFoundError:
        return


def _require_room(root: Path, name: str, size: int) -> None:
    others = [entry for entry in walk(root) if entry.name != name]
    if len(others) >= MAX_FILES:
        raise ToolFailed(f"This run already has {MAX_FILES:,} files, which is the limit.")
    if sum(entry.size for entry in others) + size > MAX_BYTES:
        raise ToolFailed(f"The files of this run would be larger than {MAX_BYTES // 1024**2} MB together.")


def _no_such_file(root: Path, name: str) -> str:
    names = [entry.name for entry, _ in zip(walk(root), range(20), strict=False)]
    listing = ", ".join(names) if names else "none"
    return f"There is no file '{name}'. Files of this run: {listing}."
