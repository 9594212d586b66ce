"""Program that runs alone inside the sandbox.

It reads code and files from stdin, runs the code, and sends changed files out. It imports nothing of ours. `pack` and
`unpack` are the format of both directions; the worker uses them too. The code may forge anything that comes out of the
sandbox, so the worker trusts no name and no size.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

WORK = Path("/work")
CODE = Path("/tmp/.code/main.py")  # noqa: S108 - the sandbox's own /tmp
_PIECE = 1024 * 1024
_MOST_FILES = 200
"""New or changed files that are taken out."""
_MOST_SIZE = 2**40
"""Bytes of one file in the format."""
_LONGEST_NAME = 255
"""Bytes of a file name."""
_MOST_SHOWN = 100
"""Characters of a name in messages."""
_MOST_HEADER = 4 * 1024 * 1024
"""Bytes of a header or name in the format."""


def pack(out: IO[bytes], header: Mapping[str, Any], files: Iterable[tuple[str, int, IO[bytes]]]) -> None:
    """Write a JSON header, then each file as name, size and content, then an empty name."""
    _put(out, json.dumps(header).encode())
    for name, size, content in files:
        _put(out, name.encode())
        out.write(size.to_bytes(8, "big"))
        left = size
        while left and (piece := content.read(min(_PIECE, left))):
            out.write(piece)
            left -= len(piece)
        out.write(bytes(left))  # padding, if the file shrank meanwhile
    _put(out, b"")


def unpack(source: IO[bytes]) -> Iterator[Any]:
    """Yield the header, then (name, size, content) of each file.

    The content must be read before the next file. Raises ValueError for malformed input.
    """
    try:
        yield json.loads(_get(source))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    while name := _get(source):
        size = int.from_bytes(_exactly(source, 8), "big")
        if size > _MOST_SIZE:
            raise ValueError("too large")
        content = _Part(source, size)
        yield name.decode(), size, content
        while content.read(_PIECE):
            pass


class _Part:
    """Next bytes of a stream as a file of their own."""

    def __init__(self, source: IO[bytes], size: int) -> None:
        self._source = source
        self._left = size

    def read(self, most: int = -1) -> bytes:
        piece = self._source.read(self._left if most < 0 else min(most, self._left))
        self._left -= len(piece)
        if not piece and self._left:
            raise EOFError
        return piece


def _put(out: IO[bytes], text: bytes) -> None:
    out.write(len(text).to_bytes(4, "big") + text)


def _get(source: IO[bytes]) -> bytes:
    length = int.from_bytes(_exactly(source, 4), "big")
    if length > _MOST_HEADER:
        raise ValueError("too long")
    return _exactly(source, length)


def _exactly(source: IO[bytes], length: int) -> bytes:
    content = source.read(length)
    if len(content) < length:
        raise EOFError
    return content


def main() -> None:
    result = os.fdopen(int(sys.argv[-1]), "wb")
    os.set_inheritable(result.fileno(), False)
    parts = unpack(sys.stdin.buffer)
    header = next(parts)
    before = dict(_write_inputs(parts))
    CODE.parent.mkdir()
    CODE.write_text(header["code"], encoding="utf-8", errors="replace")
    _take_limits(**header["limits"])
    exit_code = _run()
    found, left_out = _changed(before, header["result_bytes"])
    sizes = [(str(path.relative_to(WORK)), path.stat().st_size, path) for path in found]
    with result:
        opened = ((name, size, path.open("rb")) for name, size, path in sizes)
        pack(result, {"exit_code": exit_code, "left_out": left_out, "full": _is_full()}, opened)


def _write_inputs(parts: Iterator[Any]) -> Iterator[tuple[str, str]]:
    """Write the files. Yield each name with its hash."""
    for name, _, content in parts:
        path = WORK / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with path.open("wb") as file:
            while piece := content.read(_PIECE):
                digest.update(piece)
                file.write(piece)
        yield name, digest.hexdigest()


def _take_limits(*, memory: int, disk: int, processes: int, cpu_s: int) -> None:
    for what, limit in (
        (resource.RLIMIT_NPROC, processes),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, disk),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_NOFILE, 128),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        resource.setrlimit(what, (limit, limit))


def _run() -> int:
    """Run the code to its end, then kill everything that it left running. Return its exit code."""
    with subprocess.Popen([sys.executable, "-B", "-s", str(CODE)], cwd=WORK, stdin=subprocess.DEVNULL) as child:  # noqa: S603
        exit_code = child.wait()
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)  # every process in the sandbox except this one and process 1
    return exit_code


def _changed(before: Mapping[str, str], most_bytes: int) -> tuple[list[Path], list[str]]:
    """Return new and changed regular files by name, as many as fit. The other list names what was left out."""
    found: list[Path] = []
    left_out: list[str] = []
    total = 0
    for path in sorted(_visible_files()):
        name = str(path.relative_to(WORK))
        problem = _problem(name, path)
        if problem is None and path.is_file():
            size = path.stat().st_size
            if before.get(name) == _sha256(path):
                continue
            if len(found) < _MOST_FILES and total + size <= most_bytes:
                total += size
                found.append(path)
                continue
            problem = "too many or too large"
        if problem:
            left_out.append(f"{_printable(name)} ({problem})")
    return found, left_out[:50]


def _visible_files() -> Iterator[Path]:
    """Yield the files and links in the folder that are not hidden. Folders too deep to be opened are skipped."""
    for folder, folders, files in os.walk(WORK):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        yield from (Path(folder, name) for name in (*links, *files) if not name.startswith("."))


def _problem(name: str, path: Path) -> str | None:
    """Return why the file cannot be delivered, by its name or type, or None."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return "its name is not UTF-8"
    if len(name.encode()) > _LONGEST_NAME:
        return f"its name is longer than {_LONGEST_NAME} bytes"
    return "a link" if path.is_symlink() else None


def _printable(name: str) -> str:
    """Return the name in characters that can be written anywhere."""
    shown = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_full() -> bool:
    """Return True if the code has filled its disk."""
    return any(os.statvfs(folder).f_bavail == 0 for folder in (WORK, "/tmp"))  # noqa: S108


if __name__ == "__main__":
    main()
