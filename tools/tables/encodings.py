"""Conversion of text files to UTF-8, line by line. One line in another encoding does not affect the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tools import text
from tools.errors import ToolFailed

_HEAD_BYTES = 256 * 1024
_SAMPLE_BYTES = 64 * 1024
"""Bytes of lines that are not UTF-8, by which their encoding is guessed."""
# Other formats that people name .csv, by their first bytes, with advice.
_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls). Save it as .xlsx or CSV",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file (gzip)",
    b"\x89PNG": "a picture",
    b"PAR1": "a Parquet file. Rename it to end in .parquet",
    b"{\\rtf": "a rich text document",
    b"version https://git-lfs": "a Git LFS pointer, not the file itself. Download the file",
}
_PAGE = "a web page (HTML). The download may have needed a sign-in; fetch the file again"


@dataclass(slots=True)
class Text:
    """UTF-8 file without NUL, with notes on its conversion."""

    path: Path
    is_original: bool
    has_quotes: bool
    lines: int = 0
    """Number of lines of the original that are not blank."""
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Scan:
    """Result of a pass over all lines."""

    quotes: bool = False
    lines: int = 0
    nuls: int = 0
    good: int = 0
    """Number of lines that hold non-ASCII characters and are UTF-8."""
    bad: int = 0
    first_bad: int = 0
    sample: bytearray = field(default_factory=bytearray)


def as_utf8(path: Path, target: Path) -> Text:
    """Return the file itself if it is UTF-8, else a converted copy. Raises ToolFailed for binary data."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    _refuse_other_kinds(path.name, head)
    wide = text.wide_encoding(head)
    if wide and wide != "utf-8-sig":
        _transcode(path, target, wide)
        return Text(target, False, True, notes=[f"Read as {text.encoding_label(wide)}, because it is not UTF-8."])
    if text.detect_encoding(head) is None:
        raise ToolFailed(f"'{path.name}' is not a text table: it holds binary data.")
    scan = _scan(path)
    if not scan.bad and not scan.nuls:
        return Text(path, wide is None, scan.quotes, scan.lines)
    notes = [f"Left out {scan.nuls:,} NUL characters."] if scan.nuls else []
    fallback = text.guess_legacy(bytes(scan.sample)) if scan.bad else "utf-8"
    label = text.encoding_label(fallback)
    if scan.bad > scan.good:
        notes.append(f"Read as {label}, because it is not UTF-8. If names look wrong, save it as UTF-8.")
    elif scan.bad:
        lines = "1 line is" if scan.bad == 1 else f"{scan.bad:,} lines are"
        notes.append(f"{lines} not UTF-8 (the first is line {scan.first_bad:,}) and read as {label}.")
    with target.open("w", encoding="utf-8", newline="") as out:
        out.writelines(_lines(path, fallback, is_mixed=scan.bad <= scan.good))
    return Text(target, False, scan.quotes, notes=notes)


def _refuse_other_kinds(name: str, head: bytes) -> None:
    for mark, kind in _KINDS.items():
        if head.startswith(mark):
            raise ToolFailed(f"'{name}' is not a text table: it is {kind}.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        raise ToolFailed(f"'{name}' is empty: it has no header and no rows.")
    lower = start[:2000].lower()
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in lower[:500]:
        raise ToolFailed(f"'{name}' is not a text table: it is {_PAGE}.")
    if lower.startswith(b"<?xml") or (lower.startswith(b"<") and b"</" in lower):
        raise ToolFailed(f"'{name}' is not a text table: it is XML or markup.")
    if _is_json(start):
        raise ToolFailed(f"'{name}' is not a text table: it is JSON. Rename it to end in .json.")


def _is_json(start: bytes) -> bool:
    """Return True if the text begins as {"…, [{"…, [[ or [1: no header of a table does."""
    squeezed = b"".join(start[:200].split())
    return squeezed.startswith((b'{"', b"[{", b"[[", b'["', b"{}", b"[]"))


def _scan(path: Path) -> _Scan:
    scan = _Scan()
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            scan.quotes = scan.quotes or b'"' in line
            scan.lines += not line.isspace()
            if b"\x00" in line:
                scan.nuls += line.count(0)
            if line.isascii():
                continue
            if text.is_utf8(line):
                scan.good += 1
                continue
            scan.bad += 1
            scan.first_bad = scan.first_bad or number
            if len(scan.sample) < _SAMPLE_BYTES:
                scan.sample += line
    return scan


def _lines(path: Path, fallback: str, *, is_mixed: bool) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            is_good = line.isascii() or (is_mixed and text.is_utf8(line))
            yield line.decode("utf-8" if is_good else fallback, errors="replace").replace("\x00", "")


def _transcode(path: Path, target: Path, encoding: str) -> None:
    with (
        path.open(encoding=encoding, errors="replace", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        while piece := source.read(1024 * 1024):
            out.write(piece.replace("\x00", ""))
