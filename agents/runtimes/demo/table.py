"""One table of the run as the demo analyst knows it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agents.runtimes.demo.expressions import literal, name, number
from agents.runtimes.demo.language.concepts import concepts
from agents.runtimes.demo.language.tokens import name_tokens
from agents.runtimes.demo.table_columns import FIRST_YEAR, LAST_YEAR, Column, Kind, month_of, time_columns

FEWEST_YEARS = 5
FEWEST_MONTHS = 6
VALUE = "value"
DATE = "date"
YEAR = "year"


@dataclass(slots=True, kw_only=True)
class Table:
    """Table with its columns. `source` is what SQL reads: the table, or the long form of a wide one."""

    name: str
    file: str
    sheet: str = ""
    rows: int = 0
    columns: list[Column] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Notes on how the file was read, for the report's caveats."""
    source: str = ""
    long: list[Column] = field(default_factory=list)
    """Columns of the long form, if the table has years or months side by side."""
    long_rows: int = 0
    reshaped: str = ""
    """Description of the long form, as a sentence."""

    @property
    def asked(self) -> list[Column]:
        """Return the columns that questions are about."""
        return self.long or self.columns

    @property
    def asked_rows(self) -> int:
        return self.long_rows or self.rows

    @property
    def words(self) -> list[str]:
        """Return the words of the file's name, which often name the rows."""
        stem = self.file.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        return [*name_tokens(stem), *name_tokens(self.sheet)]

    @property
    def header_is_doubtful(self) -> bool:
        """Return True if the first row can hardly be a header: many names are missing, or are numbers."""
        unnamed = sum(bool(re.fullmatch(r"column_?\d+", column.name)) for column in self.columns)
        numbers = [float(c.name) for c in self.columns if re.fullmatch(r"\d+(\.\d+)?", c.name)]
        steps = {b - a for a, b in itertools.pairwise(numbers)}
        return (3 * unnamed > len(self.columns) and unnamed < len(self.columns)) or (
            len(numbers) > 1 and steps != {1.0}
        )

    def column(self, name: str) -> Column:
        return next(column for column in [*self.asked, *self.columns] if column.name == name)

    def labels(self) -> list[Column]:
        """Return the columns whose values name a row: first names, then texts that hardly repeat."""
        texts = [column for column in self.asked if column.kind in (Kind.KEY, Kind.TEXT, Kind.CATEGORY)]
        texts = [column for column in texts if not column.is_number and column.distinct > 1]
        return sorted(texts, key=lambda column: (not _is_name(column), -column.distinct))

    def time(self) -> Column | None:
        """Return the column that orders the rows in time, or None."""
        return next(iter(time_columns(self.asked)), None)


def long_form(table: Table) -> str:
    """Return the SELECT that turns years or months side by side into one row each, or "" for other tables."""
    years = [
        column for column in table.columns if _is_year_name(column.name) and (column.is_number or not column.filled)
    ]
    if len(years) >= FEWEST_YEARS:
        return _unpivoted(table, years, f"CAST(_name AS INTEGER) AS {name(_free(table, YEAR))}")
    months = [column for column in table.columns if month_of(column.name) and column.is_number]
    year = next((column for column in table.columns if column.is_year), None)
    if len(months) >= FEWEST_MONTHS and year is not None:
        cases = " ".join(f"WHEN {literal(column.name)} THEN {month_of(column.name)}" for column in months)
        date = f"make_date(CAST({number(year)} AS INTEGER), CASE _name {cases} END, 1)"
        return _unpivoted(table, months, f"{date} AS {name(_free(table, DATE))}")
    return ""


def _unpivoted(table: Table, wide: Sequence[Column], time: str) -> str:
    kept = [
        name(column.name) for column in table.columns if column not in wide and column.filled and not column.expression
    ]
    cast = [f"{number(column)} AS {name(column.name)}" for column in wide if column.filled]
    on = ", ".join(name(column.name) for column in wide if column.filled)
    wide_rows = f"SELECT {', '.join([*kept, *cast])} FROM {name(table.name)}"  # noqa: S608
    return (
        f"SELECT {', '.join([*kept, time])}, _value AS {name(_value_name(table))}\n"
        f"FROM (UNPIVOT ({wide_rows}) ON {on} INTO NAME _name VALUE _value)"
    )


def with_long_form(table: Table, select: str, columns: Sequence[Column], rows: int) -> None:
    """Use the long form from now on. Its value column is named as the file says."""
    value = _value_name(table)
    words = name_tokens(value) if value != VALUE else [*table.words, VALUE]
    table.source = f"({select})"
    table.long_rows = rows
    table.long = [
        replace(column, tokens=tuple(words)) if column.name == value else column
        for column in columns
        if column.distinct > 1 or column.name == value or column.is_time
    ]
    part = "month" if any(column.kind is Kind.DATE for column in columns) else "year"
    table.reshaped = (
        f"The file has one column for each {part}; I read it as one row for each {part} with the number as `{value}`."
    )


def _value_name(table: Table) -> str:
    """Return the name of the numbers: a text that is the same in all rows, or VALUE."""
    texts = [column.low for column in table.columns if column.is_text and column.distinct == 1 and " " in column.low]
    return _free(table, texts[0] if texts else VALUE)


def _free(table: Table, wanted: str) -> str:
    """Return the name, or a similar one that no column has."""
    while any(column.name == wanted for column in table.columns):
        wanted += "_"
    return wanted


def _is_year_name(text: str) -> bool:
    return text.isdigit() and FIRST_YEAR <= int(text) <= LAST_YEAR


def _is_name(column: Column) -> bool:
    return any("name" in concepts(token) for token in name_tokens(column.name))
