"""Kinds of values in the columns of a text table, counted over all rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.tables import kinds
from tools.tables.kinds import NULL_WORDS, NUMBERS, literal, quote

_SAMPLE_ROWS = 2000
"""First rows that decide if a column is text."""
_ODD_SHARE = 0.1
"""Largest share of values that may not fit the others."""
TYPED = ""
"""Delimiter of a source that distinguishes numbers from texts, such as JSON: its numbers have decimal points."""
_SPACE = literal(" \t\r\n\u00a0")


@dataclass(slots=True)
class Column:
    """Column with the number of values of each kind, and examples."""

    name: str
    value: str
    """SQL expression that was examined."""
    kinds: dict[str, int] = field(default_factory=dict)
    examples: dict[str, str] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)
    """Words such as N/A that may stand for a missing value."""
    units: list[str] = field(default_factory=list)
    """Currency signs or %; the kinds are then those of the amounts without them."""
    without_unit: int = 0
    is_doubtful: bool = True
    """True if a person may have written 1.234; programs write their numbers with decimal points."""

    @property
    def filled(self) -> int:
        return sum(self.kinds.values())

    def count(self, names: Iterable[str]) -> int:
        return sum(self.kinds.get(name, 0) for name in names)

    def has(self, *names: str) -> bool:
        return self.count(names) > 0

    def is_all(self, names: Iterable[str]) -> bool:
        return self.filled > 0 and self.count(names) == self.filled

    def is_nearly(self, names: Iterable[str]) -> bool:
        """Return True if only a few values keep the column from being all of these kinds."""
        odd = self.filled - self.count(names)
        return 0 < odd <= max(1, _ODD_SHARE * self.filled) and self.filled - odd > 1

    def example_outside(self, names: Iterable[str]) -> str:
        return next((text for kind, text in self.examples.items() if kind not in set(names)), "")


@dataclass(frozen=True, slots=True)
class Habits:
    """Notation of the file's author, as the other columns prove or suggest it."""

    delimiter: str
    points: bool
    """True if some column has decimal points."""
    commas: bool
    """True if some column has decimal commas."""
    day_first: bool | None
    """True if days come before months, False if after, None if no date proves it."""
    is_american: bool


class Notes:
    """Sentences about columns, each for all columns that it holds for."""

    def __init__(self) -> None:
        self._columns: dict[str, list[str]] = defaultdict(list)

    def add(self, sentence: str, column: str) -> None:
        """Add a sentence about the column; "{}" stands for the names of the columns."""
        self._columns[sentence].append(column)

    def drop(self, column: str) -> None:
        """Remove the notes of a column that is read differently after all."""
        for sentence, named in list(self._columns.items()):
            self._columns[sentence] = [name for name in named if name.partition(" (")[0] != column]
            if not self._columns[sentence]:
                del self._columns[sentence]

    def sentences(self) -> list[str]:
        return [sentence.replace("{}", _listed(columns), 1) for sentence, columns in self._columns.items()]


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")


def look(con: Any, raw: str, names: Sequence[str]) -> list[Column]:
    """Return the columns of the text table or view `raw`.

    Columns that are text in the first rows are not counted further.
    """
    con.execute(f"CREATE OR REPLACE TEMP MACRO kind_of(v) AS {kinds.sql('v')}")
    found = [Column(name, trimmed(name)) for name in names]
    head = f"(SELECT * FROM {quote(raw)} LIMIT {_SAMPLE_ROWS})"  # noqa: S608 - quoted identifier
    _count(con, head, found)
    if con.execute(f"SELECT count(*) FROM {head}").fetchall()[0][0] == _SAMPLE_ROWS:  # noqa: S608
        candidates = [column for column in found if not _is_text(column)]
        _count(con, quote(raw), candidates)
    _split_units(con, raw, [column for column in found if column.has("unit") and column.is_all(NUMBERS | {"unit"})])
    return found


def _is_text(column: Column) -> bool:
    return column.kinds.get("text", 0) > max(1, _ODD_SHARE * column.filled)


def _count(con: Any, source: str, columns: Sequence[Column]) -> None:
    """Count all columns in one scan, unpivoted, so that the patterns are compiled once."""
    if not columns:
        return
    values = ", ".join(column.value for column in columns)
    rows = con.execute(
        "SELECT i, kind_of(v) AS kind, CASE WHEN kind = 'null' THEN v END AS word, count(*), min(v) FROM "  # noqa: S608
        f"(SELECT unnest([{values}]) AS v, unnest(range({len(columns)})) AS i FROM {source}) "
        "GROUP BY ALL HAVING kind IS NOT NULL ORDER BY i, kind, word"
    ).fetchall()
    for column in columns:
        column.kinds, column.examples, column.nulls = {}, {}, {}
    for i, kind, word, count, example in rows:
        if word is None:
            columns[i].kinds[kind], columns[i].examples[kind] = count, example
        else:
            columns[i].nulls[word] = count


def _split_units(con: Any, raw: str, columns: Sequence[Column]) -> None:
    """Examine the units and amounts of columns with money and percentages."""
    if not columns:
        return
    units = ", ".join(f"list_sort(list(DISTINCT {_unit(column.value)}))" for column in columns)
    for column, found in zip(columns, con.execute(f"SELECT {units} FROM {quote(raw)}").fetchall()[0], strict=True):  # noqa: S608
        column.units = [unit for unit in found or [] if unit]
        column.without_unit = column.filled - column.kinds["unit"]
        column.value = _amount(column.value)
    _count(con, quote(raw), columns)


def trimmed(name: str) -> str:
    return f"trim({quote(name)}, {_SPACE})"


def is_null_word(value: str, words: Iterable[str] = NULL_WORDS) -> str:
    return f"lower({value}) IN ({', '.join(sorted(literal(word.lower()) for word in words))})"


def _unit(value: str) -> str:
    found = f"rtrim(regexp_extract({value}, {literal(f'{kinds.CURRENCY}|%')}), '.')"
    return f"CASE WHEN {is_null_word(value)} THEN NULL ELSE {found} END"


def _amount(value: str) -> str:
    """Return the SQL expression of the plain amount, negative for a minus sign or brackets."""
    digits = f"regexp_replace({value}, {literal(kinds.CURRENCY)}, '', 'g')"
    digits = f"trim(regexp_replace({digits}, {literal(kinds.NOT_AMOUNT)}, '', 'g'))"
    sign = f"CASE WHEN regexp_matches({value}, '[(\\x{{2212}}-]') THEN '-' ELSE '' END"
    return f"CASE WHEN {is_null_word(value)} THEN {value} ELSE {sign} || {digits} END"
