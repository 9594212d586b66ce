"""CSV files as people really have them: any delimiter, any encoding, titles above the header, rows of uneven length.

A plain file is read by DuckDB as it is. Any other is written anew, record by record, and notes say what was changed:
a row is never left out in silence, and a wrong row never changes how the others are read.
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
    """A file that DuckDB reads without guessing: one record a line, or fields quoted by the rules of CSV."""

    path: Path
    names: Sequence[str]
    delimiter: str
    skip: int = 0
    """Records above the first one, blank lines included."""
    is_quoted: bool = True
    records: int | None = None
    """How many there are, where that is known: DuckDB has to find as many."""
    doubtful: Collection[str] = ()
    """Columns in which a text, not a number, is written like 1.234; for sources that tell the two apart."""
    is_ours: bool = False
    """Whether `write` made it: lines end with CRLF, and short rows are to be filled up."""


@dataclass(slots=True)
class Source:
    """A delimited text, looked at."""

    text: encodings.Text
    layout: Layout
    skip: int
    filled_above: int
    """Lines above the first record that are not blank."""
    notes: list[str] = field(default_factory=list)

    def as_it_is(self) -> Plain | None:
        """The file itself, where nothing in it has to be interpreted."""
        if not self.text.is_original or self.layout.width < 2 or self.layout.delimiter == SPACES:
            return None
        count = self._strict_records() if self.text.has_quotes else self.text.lines - self.filled_above
        if count is None:
            return None
        above = self.skip + (self.layout.header is not None)
        names = self.layout.names(self.layout.width)
        return Plain(self.text.path, names, self.layout.delimiter, above, self.text.has_quotes, records=count)

    def _strict_records(self) -> int | None:
        """How many records there are below the header, if all keep the rules of CSV and have the usual width."""
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
        """A copy in which every record is well formed, and notes on those that were not."""
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
    """Find out how the file is written, or ToolFailed if it is no text table."""
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
    """Excel's own first line, such as sep=;"""
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
    """Physical lines; the last is left out when the head may have cut it."""
    lines = list(io.StringIO(head, newline=""))
    return lines[:-1] if len(lines) > 1 and len(head) >= _HEAD_CHARS else lines


def _from(records: Iterable[Sequence[str]], skip: int) -> Iterator[Sequence[str]]:
    return (record for index, record in enumerate(records) if index >= skip)


def write(records: Iterable[Sequence[str]], found: Layout, name: str, target: Path) -> tuple[Plain, int, int]:
    """Write the records below the header as plain CSV. Returns the file, how many rows are uneven, and how many in all.

    Short rows are padded by DuckDB; blank ones are left out.
    """
    usual = max(found.width, len(found.header or ()))
    widest, odd, count = usual, 0, 0
    is_header = found.header is not None
    with target.open("w", encoding="utf-8", errors="replace", newline="") as file:
        out = csv.writer(file, lineterminator="\r\n")  # so that fields with either of the two are quoted
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
