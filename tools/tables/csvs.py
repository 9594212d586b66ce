"""CSV files as people really have them: any delimiter, any encoding, titles above the header, rows of uneven length.

First the file is read as strictly as DuckDB can with the dialect that we saw. Only when it does not fit is it
rewritten, and then a note says what was changed: a row is never left out in silence.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.errors import ToolFailed
from tools.text import detect_encoding

_HEAD_BYTES = 256 * 1024
_SAMPLE_ROWS = 400
_MAX_COLUMNS = 2000
_MAX_FIELD = 16 * 1024 * 1024
DELIMITERS = (",", ";", "\t", "|")
_KINDS = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls). Save it as .xlsx or CSV",
    b"PK\x03\x04": "a zip archive",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file (gzip)",
    b"\x89PNG": "a picture",
    b"PAR1": "a Parquet file. Rename it to end in .parquet",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    delimiter: str
    skip: int
    """Title rows above the header."""


def to_utf8(path: Path, target: Path) -> tuple[Path, list[str]]:
    """The file itself when it is UTF-8, else a copy that is; with a note on what was assumed."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for mark, kind in _KINDS.items():
        if head.startswith(mark):
            raise ToolFailed(f"'{path.name}' is not a text table: it is {kind}.")
    if not head.strip():
        raise ToolFailed(f"'{path.name}' is empty: it has no header and no rows.")
    encoding = detect_encoding(head)
    if encoding is None:
        raise ToolFailed(f"'{path.name}' is not a text table: it holds binary data.")
    if encoding in {"utf-8", "utf-8-sig"}:
        if _is_clean_utf8(path):
            return path, []
        encoding = "cp1252" if encoding == "utf-8" else encoding
    _transcode(path, target, encoding)
    return target, [f"Read as {encoding}, because it is not UTF-8."]


def sniff(path: Path, delimiters: Sequence[str] = DELIMITERS) -> Dialect:
    """The delimiter under which most rows of the sample have the same number of fields, and how many title rows there
    are.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        text = file.read(_HEAD_BYTES)
    samples = {delimiter: _rows(text, delimiter) for delimiter in delimiters}
    best = max(delimiters, key=lambda delimiter: _fit(samples[delimiter]))
    return Dialect(best, _title_rows(samples[best]))


def rewrite(path: Path, dialect: Dialect, target: Path) -> list[str]:
    """Write it again with every row as wide as the widest; returns notes that say how many rows did not fit."""
    notes = []
    quoted = True
    try:
        widths = [len(row) for row in _records(path, dialect, quoted=True)]
    except csv.Error:
        quoted = False
        widths = [len(row) for row in _records(path, dialect, quoted=False)]
        notes.append("A quotation mark is never closed, so quotation marks were read as plain text.")
    if not widths:
        raise ToolFailed(f"'{path.name}' is empty: it has no header and no rows.")
    if max(widths) > _MAX_COLUMNS:
        raise ToolFailed(f"'{path.name}' has {max(widths):,} columns; at most {_MAX_COLUMNS:,} can be read.")
    usual = max(widths[0], Counter(widths).most_common(1)[0][0])
    odd = sum(width != usual for width in widths[1:])
    if odd:
        notes.append(f"{odd:,} of {len(widths) - 1:,} rows have more or fewer fields than the others; gaps are NULL.")
    widest = max(widths)
    with target.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        for row in _records(path, dialect, quoted=quoted):
            out.writerow(row + [""] * (widest - len(row)))
    return notes


def _records(path: Path, dialect: Dialect, *, quoted: bool) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        if quoted:
            reader = csv.reader(file, delimiter=dialect.delimiter, strict=True)
        else:
            reader = csv.reader(file, delimiter=dialect.delimiter, quoting=csv.QUOTE_NONE)
        for index, row in enumerate(reader):
            if index >= dialect.skip and any(row):
                yield row


def _fit(rows: list[list[str]]) -> float:
    """The share of rows with the most usual width; more columns break the tie, one column is no fit at all."""
    filled = [row for row in rows if row]
    width, count = Counter(map(len, filled)).most_common(1)[0] if filled else (0, 0)
    return count / len(filled) * min(width, 20) ** 0.5 if width > 1 else 0.0


def _rows(text: str, delimiter: str) -> list[list[str]]:
    """Records of the sample; the last one is left out when the sample may have cut it."""
    csv.field_size_limit(_MAX_FIELD)
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            rows.append(row)
            if len(rows) > _SAMPLE_ROWS:
                break
    except csv.Error:
        pass
    return rows[:-1] if len(rows) > 1 and len(text) >= _HEAD_BYTES else rows


def _title_rows(rows: list[list[str]]) -> int:
    """Rows before the first one that is as wide as most, if each of them holds at most one filled field."""
    widths = Counter(len(row) for row in rows if len(row) > 1)
    if not widths:
        return 0
    usual = widths.most_common(1)[0][0]
    for index, row in enumerate(rows):
        if len(row) == usual and sum(bool(field.strip()) for field in row) > 1:
            return index
        if sum(bool(field.strip()) for field in row) > 1:
            return 0
    return 0


def _is_clean_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while piece := file.read(1024 * 1024):
                if b"\x00" in piece:
                    return False
                decoder.decode(piece)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _transcode(path: Path, target: Path, encoding: str) -> None:
    with (
        path.open(encoding=encoding, errors="replace", newline="") as source,
        target.open("w", encoding="utf-8", newline="") as out,
    ):
        while piece := source.read(1024 * 1024):
            out.write(piece.replace("\x00", ""))
