"""CSV files in all their variants: any delimiter and encoding, titles above the header, uneven rows.

DuckDB reads a plain file as it is. Any other is rewritten record by record, with notes on what was changed: no row is
dropped silently, and a malformed row never changes how the others are read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.errors import ToolFailed
from tools.tables import encodings, layout
from tools.tables.layout import ALL_DELIMITERS, Layout
from tools.tables.records import SPACES, Reader
from tools.text import shorten

_HEAD_CHARS = 256 * 1024
SAMPLE_ROWS = 400
_MAX_COLUMNS = 2000


@dataclass(slots=True)
class Plain:
    """File that DuckDB reads without guessing. It has one record a line, or fields quoted by the rules of CSV."""

    path: Path
    names: Sequence[str]
    delimiter: str
    skip: int = 0
    """Number of records above the first one, including blank lines."""
    is_quoted: bool = True
    records: int | None = None
    """Number of records, if it is known; DuckDB must find as many."""
    doubtful: Collection[str] = ()
    """Columns in which a text, not a number, looks like 1.234; for sources that distinguish the two."""
    is_ours: bool = False
    """True if `write` made it: lines end with CRLF, and short rows must be padded."""


@dataclass(slots=True)
class Source:
    """Delimited text that has been examined."""

    text: encodings.Text
    layout: Layout
    skip: int
    filled_above: int
    """Number of lines above the first record that are not blank."""
    notes: list[str] = field(default_factory=list)

    def as_it_is(self) -> Plain | None:
        """Return the file itself if nothing in it has to be interpreted, else None."""
        if not self.text.is_original or self.layout.width < 2 or self.layout.delimiter == SPACES:
            return None
        count = self._strict_records() if self.text.has_quotes else self.text.lines - self.filled_above
        if count is None:
            return None
        above = self.skip + (self.layout.header is not None)
        names = self.layout.names(self.layout.width)
        return Plain(self.text.path, names, self.layout.delimiter, above, self.text.has_quotes, records=count)

    def _strict_records(self) -> int | None:
        """Return the number of records below the header.

        None if one breaks the rules of CSV or has an unusual width.
        """
        count = -1 if self.layout.header is not None else 0
        with self.text.path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter=self.layout.delimiter, strict=True)
            try:
                for row in _from(reader, self.skip):
                    if row and len(row) != self.layout.width:
                        return None
                    count += bool(row)
            except csv.Error:
                return None
        return count

    def rewritten(self, name: str, target: Path) -> tuple[Plain, list[str]]:
        """Write a copy in which every record is well formed. Return it, with notes on those that were not."""
        with self.text.path.open(encoding="utf-8-sig", newline="") as file:
            reader = Reader(file, self.layout.delimiter, self.layout.width)
            plain, odd, rows = write(_from(reader, self.skip), self.layout, name, target)
        notes = []
        if reader.mended:
            one = reader.mended == 1
            notes.append(
                f"{reader.mended:,} {'row has' if one else 'rows have'} quotation marks that are not doubled or not "
                f"closed and {'was read as it stands' if one else 'were read as they stand, the first'}: "
                f"{shorten(reader.first_mended, 60)}"
            )
        if odd:
            notes.append(f"{odd:,} of {rows:,} rows have more or fewer fields than the others; gaps are NULL.")
        return plain, notes


def look(path: Path, scratch: Path) -> Source:
    """Determine how the file is written. Raises ToolFailed if it is no text table."""
    text = encodings.as_utf8(path, scratch)
    with text.path.open(encoding="utf-8-sig", newline="") as file:
        head = file.read(_HEAD_CHARS)
    return _arranged(text, _lines(head))


def _arranged(text: encodings.Text, lines: list[str]) -> Source:
    declared = _declared_delimiter(lines[0]) if lines else ""
    if declared:
        lines = lines[1:]
    samples = {each: _sample(lines, each) for each in ([declared] if declared else ALL_DELIMITERS)}
    delimiter, notes = layout.choose_delimiter(samples)
    rows = samples.get(delimiter) or _sample(lines, delimiter)
    found = layout.arrange(rows, delimiter)
    skip = found.skip + bool(declared)
    filled = sum(bool(row) for row in rows[: found.skip]) + bool(declared) + (found.header is not None)
    return Source(text, found, skip, filled, text.notes + notes + found.notes)


def _declared_delimiter(line: str) -> str:
    """Return the delimiter of Excel's own first line, such as sep=; or ""."""
    text = line.strip().strip('"').lower()
    return text.removeprefix("sep=") if text.startswith("sep=") and len(text) == 5 else ""


def _sample(lines: Sequence[str], delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    for row in Reader(lines, delimiter):
        rows.append(row)
        if len(rows) > SAMPLE_ROWS:
            break
    return rows


def _lines(head: str) -> list[str]:
    """Return the physical lines; without the last if the head may have cut it."""
    lines = list(io.StringIO(head, newline=""))
    return lines[:-1] if len(lines) > 1 and len(head) >= _HEAD_CHARS else lines


def _from(records: Iterable[Sequence[str]], skip: int) -> Iterator[Sequence[str]]:
    return (record for index, record in enumerate(records) if index >= skip)


def write(records: Iterable[Sequence[str]], found: Layout, name: str, target: Path) -> tuple[Plain, int, int]:
    """Write the records below the header as plain CSV.

    Return the file, the number of uneven rows, and of all rows. DuckDB pads short rows; blank rows are left out.
    """
    usual = max(found.width, len(found.header or ()))
    widest, odd, count = usual, 0, 0
    is_header = found.header is not None
    with target.open("w", encoding="utf-8", errors="replace", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")  # fields with either character are quoted
        for record in records:
            if not record:
                continue
            if is_header:
                is_header = False
                continue
            count += 1
            odd += len(record) != usual
            widest = max(widest, len(record))
            out.writerow(record)
    if widest > _MAX_COLUMNS:
        raise ToolFailed(f"'{name}' has {widest:,} columns; at most {_MAX_COLUMNS:,} can be read.")
    return Plain(target, found.names(widest), ",", is_ours=True), odd, count
