"""Execution of a SQL statement, with its rows as JSON cells, whatever types DuckDB returns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

MAX_CELL = 2000
"""Characters of a cell."""
_EXACT = 2**53
"""Largest integer that is exact as a JSON number in most programs; larger ones become text."""
_NATIVE = {
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("HUGEINT", "UHUGEINT", "DOUBLE", "VARCHAR"),
}
_NUMBERS = ("HUGEINT", "UHUGEINT", "BIGINT", "UBIGINT", "BIGNUM", "DECIMAL", "DOUBLE", "FLOAT")
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """True if text cells of this column stand for numbers. JSON could not hold them exactly."""
        return self.type.startswith(_NUMBERS) and not self.type.endswith("]")


def run(con: Any, statement: str, max_rows: int) -> tuple[list[Column], list[list[Any]], int]:
    """Return the columns, the first `max_rows` rows and the number of all rows.

    Python has no value for many of DuckDB's types (a time with a zone needs pytz, a date may be infinite, a decimal
    may be longer than a float), so DuckDB itself writes those as text.
    """
    con.execute("BEGIN TRANSACTION READ ONLY")
    description = _describe(con, statement)
    columns = [Column(_unique(i, description), kind) for i, (_, kind) in enumerate(description)]
    answer = con.execute(_with_text_casts(statement, columns) if columns else statement)
    columns = columns or [Column(str(name), "VARCHAR") for name, *_ in con.description]
    kinds = [column.type for column in columns]
    rows = [[_cell(value, kind) for value, kind in zip(row, kinds, strict=True)] for row in _first(answer, max_rows)]
    if len(rows) <= max_rows:
        return columns, rows, len(rows)
    count = con.execute(f"SELECT count(*) FROM (\n{statement})").fetchone()[0]  # noqa: S608
    return columns, rows[:max_rows], count


def _first(answer: Any, max_rows: int) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = answer.fetchmany(max_rows + 1)
    return rows


def _describe(con: Any, statement: str) -> list[tuple[str, str]]:
    """Return names and types of the result's columns; nothing for EXPLAIN, which is text."""
    if statement.lstrip().lower().startswith("explain"):
        return []
    return [(str(name), str(kind)) for name, kind, *_ in con.execute(f"DESCRIBE {statement}").fetchall()]


def _with_text_casts(statement: str, columns: Sequence[Column]) -> str:
    """Return the statement with casts to text for types that Python cannot hold. The order is kept."""
    if all(column.type in _NATIVE for column in columns):
        return statement
    parts = [
        f"#{i}" if column.type in _NATIVE else f"CAST(#{i} AS VARCHAR)" for i, column in enumerate(columns, start=1)
    ]
    return f"SELECT {', '.join(parts)} FROM (\n{statement})"  # noqa: S608


def _unique(index: int, description: Sequence[tuple[str, str]]) -> str:
    """Return the column's name, numbered if it is repeated. Charts and pages need distinct names."""
    name = description[index][0]
    before = sum(other == name for other, _ in description[:index])
    return f"{name}_{before}" if before else name


def _cell(value: Any, kind: str) -> Any:
    """Convert a value to text, a number that is exact in JSON, a boolean or None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _EXACT else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else _NOT_FINITE[str(value)]
    text = str(value)
    if kind == "FLOAT" or kind.startswith("DECIMAL("):
        return _number(text)
    return text if len(text) <= MAX_CELL else text[:MAX_CELL] + "…"


def _number(text: str) -> Any:
    """Return the number if a float holds all of its digits, else the text."""
    number = float(text)
    if not math.isfinite(number):
        return _NOT_FINITE[str(number)]
    digits = text.lstrip("-").replace(".", "").lstrip("0")
    if "e" in text or len(digits.rstrip("0") if "." in text else digits) <= 15:
        return number
    return text
