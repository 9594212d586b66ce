"""Parser that splits delimited text into records.

A record with wrong quotation marks is mended by itself; the others stay as they are.
"""

from __future__ import annotations

import csv
import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

csv.field_size_limit(16 * 1024 * 1024)
_MAX_LINES = 1000
_MAX_CHARS = 4 * 1024 * 1024
"""Lines and characters of one quoted field."""
_OPEN = "unexpected end of data"
ONE_COLUMN = "\x1f"
"""Delimiter that no text contains: every line is one field."""
SPACES = " "
"""Delimiter that stands for any run of spaces."""


@dataclass(slots=True)
class Reader:
    """Iterator over the records of `lines`, including blank ones (as []).

    `width` is the usual number of fields; it decides whether an unclosed quotation mark begins a field of several
    lines.
    """

    lines: Iterable[str]
    delimiter: str
    width: int = 0
    mended: int = 0
    """Number of records whose quotation marks were not doubled or not closed."""
    first_mended: str = ""
    _ahead: deque[str] = field(default_factory=deque)

    def __iter__(self) -> Iterator[list[str]]:
        source = iter(self.lines)
        while (line := self._next(source)) is not None:
            yield self._record(line, source)

    def _next(self, source: Iterator[str]) -> str | None:
        return self._ahead.popleft() if self._ahead else next(source, None)

    def _record(self, line: str, source: Iterator[str]) -> list[str]:
        if self.delimiter == SPACES:
            return next(csv.reader([line.strip()], delimiter=" ", skipinitialspace=True), [])
        if '"' not in line:
            bare = line.rstrip("\r\n")
            return bare.split(self.delimiter) if bare else []
        taken = [line]
        while True:
            record, problem = _strict("".join(taken), self.delimiter)
            if record is not None and (not self.width or len(record) == self.width):
                return record
            if record is not None:
                return self._of_other_width(taken, record)
            if problem != _OPEN or not self._take_more(taken, source):
                return self._mend(taken)

    def _of_other_width(self, taken: list[str], record: list[str]) -> list[str]:
        """Return a well-formed record of unusual width. It is mended instead if the result has the usual width."""
        if len(taken) > 1:
            return self._mend(taken) if any(self._is_sound(line) for line in taken[1:]) else record
        loose = _lenient(taken[0], self.delimiter)
        return loose if len(loose) == self.width else record

    def _take_more(self, taken: list[str], source: Iterator[str]) -> bool:
        """Add lines up to the next one with a quotation mark.

        Return False at the end, or beyond the limits of a field.
        """
        size = sum(map(len, taken))
        while len(taken) < _MAX_LINES and size < _MAX_CHARS:
            line = self._next(source)
            if line is None:
                return False
            taken.append(line)
            size += len(line)
            if '"' in line:
                return True
        return False

    def _mend(self, taken: list[str]) -> list[str]:
        """Read as few lines as can be one record; the others are read again by themselves."""
        self._count(taken[0])
        if len(taken) > 1 and not any(self._is_sound(line) for line in taken[1:]):
            joined = _lenient_over_lines("".join(taken), self.delimiter)
            if joined is not None and (not self.width or len(joined) == self.width):
                return joined
        self._ahead.extendleft(reversed(taken[1:]))
        return _lenient(taken[0], self.delimiter)

    def _is_sound(self, line: str) -> bool:
        record, _ = _strict(line, self.delimiter)
        return record is not None and len(record) == self.width > 1 and not any('"' in value for value in record)

    def _count(self, line: str) -> None:
        self.mended += 1
        self.first_mended = self.first_mended or line.strip()


def _strict(text: str, delimiter: str) -> tuple[list[str] | None, str]:
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), []), ""
    except csv.Error as problem:
        if '" ' in text and (tight := re.sub(rf'" +(?={re.escape(delimiter)}|[\r\n]|$)', '"', text)) != text:
            return _strict(tight, delimiter)
        return None, str(problem)


def _lenient(text: str, delimiter: str) -> list[str]:
    """Return the fields of a line, read leniently. A quotation mark ends a field only before a delimiter or the end."""
    return [value for value, _ in _fields(text.rstrip("\r\n"), delimiter)]


def _lenient_over_lines(text: str, delimiter: str) -> list[str] | None:
    """Return the fields of several lines read leniently.

    None if a line ends outside of quotation marks: they are not one record.
    """
    fields = list(_fields(text.rstrip("\r\n"), delimiter))
    if any("\n" in value and not is_quoted for value, is_quoted in fields):
        return None
    return [value for value, _ in fields]


def _fields(text: str, delimiter: str) -> Iterator[tuple[str, bool]]:
    """Yield each field, and True if it is quoted."""
    at = 0
    while True:
        quoted = _quoted(text, at, delimiter)
        if quoted is None:
            end = text.find(delimiter, at)
            end = len(text) if end < 0 else end
            yield text[at:end], False
        else:
            value, end = quoted
            yield value, True
        if end >= len(text):
            return
        at = end + len(delimiter)


def _quoted(text: str, at: int, delimiter: str) -> tuple[str, int] | None:
    """Return the quoted field that begins at `at`, and its end. None if it is not quoted, or never closed."""
    start = at
    while text[start : start + 1] == " ":
        start += 1
    if text[start : start + 1] != '"':
        return None
    at = start + 1
    while (mark := text.find('"', at)) >= 0:
        after = mark + 1
        while text[after : after + 1] == " ":
            after += 1
        if after >= len(text) or text.startswith(delimiter, after):
            return text[start + 1 : mark].replace('""', '"'), after
        at = mark + (2 if text[mark + 1 : mark + 2] == '"' else 1)
    return None
