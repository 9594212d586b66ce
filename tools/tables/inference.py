"""Type inference for the columns of a text table: numbers, dates, times and booleans.

A column gets a type only if every value fits it. Where two readings fit (1.234, 01/02/2024), the other columns decide,
then the delimiter; a reading that stays a guess is noted.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from tools.tables import columns, dates, numbers
from tools.tables.columns import Column, Habits, Notes
from tools.tables.kinds import DATES, NUMBERS, quote

_TOTALS = frozenset(
    {
        "total",
        "totals",
        "grand total",
        "subtotal",
        "sum",
        "summe",
        "gesamt",
        "gesamtsumme",
        "insgesamt",
        "somme",
        "suma",
    }
    | {"totale", "totaal", "итого", "всего", "合計", "合计", "总计", "総計"}
)


@dataclass(frozen=True, slots=True)
class Plan:
    """Reading of a column: an SQL expression over its text."""

    name: str
    expression: str
    type: str
    filled: int
    """Number of values that must remain; fewer means that some could not be read."""


def type_columns(
    con: Any, raw: str, table: str, names: Sequence[str], *, delimiter: str, doubtful: Collection[str] = ()
) -> list[str]:
    """Create `table` from the text table `raw`, with types. Return notes on what was assumed."""
    found = columns.look(con, raw, names)
    for column in found:
        column.is_doubtful = delimiter != columns.TYPED or column.name in doubtful
    while len(found) > 1 and _is_left_over(found[-1], len(found) - 1):
        found.pop()
    notes = Notes()
    habits = _habits(con, raw, found, delimiter)
    plans = [_plan(con, raw, column, habits, notes) for column in found]
    failed = _create(con, raw, table, plans)
    if failed:
        for plan in failed:
            notes.drop(plan.name)
            notes.add(f"{{}} stays text: not every value is a valid {plan.type.lower()}.", plan.name)
        kept = [_as_text(column) if plan in failed else plan for plan, column in zip(plans, found, strict=True)]
        _create(con, raw, table, kept)
    return notes.sentences() + _total_row(con, table)


def _total_row(con: Any, table: str) -> list[str]:
    """Return a note if the last row sums up the others, because it would count twice."""
    types = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {quote(table)}").fetchall()}
    texts = [quote(name) for name, kind in types.items() if kind == "VARCHAR"]
    if not texts or not {"BIGINT", "DOUBLE"} & set(types.values()):
        return []
    last = con.execute(f"SELECT {', '.join(texts)} FROM {quote(table)} ORDER BY rowid DESC LIMIT 1").fetchall()  # noqa: S608
    words = [word for row in last for word in row if word and word.strip().rstrip(":").lower() in _TOTALS]
    return (
        [f"The last row looks like a total ('{words[0].strip()}'): leave it out of sums and counts."] if words else []
    )


def _is_left_over(column: Column, index: int) -> bool:
    """Return True for a column without name and values. A delimiter at the end of every line makes one."""
    return column.name == f"column{index}" and not column.kinds and not column.nulls


def _habits(con: Any, raw: str, found: Sequence[Column], delimiter: str) -> Habits:
    numeric = [column for column in found if column.is_all(NUMBERS)]
    return Habits(
        delimiter=delimiter,
        points=any(numbers.proves_points(column) for column in numeric),
        commas=any(numbers.proves_commas(column) for column in numeric),
        day_first=dates.proven_order(con, raw, [column for column in found if column.is_all(DATES)]),
        is_american=any(column.units == ["$"] for column in numeric),
    )


def _plan(con: Any, raw: str, column: Column, habits: Habits, notes: Notes) -> Plan:
    expression, kind = _reading(con, raw, column, habits, notes)
    if kind == "VARCHAR":
        return _as_text(column)
    if column.nulls:
        words = " and ".join(list(column.nulls)[:5])
        count = sum(column.nulls.values())
        notes.add(f"Read {words} as missing values in: {{}}.", f"{column.name} ({count:,})")
        is_null = columns.is_null_word(columns.trimmed(column.name), column.nulls)
        expression = f"CASE WHEN {is_null} THEN NULL ELSE {expression} END"
    return Plan(column.name, expression, kind, column.filled)


def _reading(con: Any, raw: str, column: Column, habits: Habits, notes: Notes) -> tuple[str, str]:
    """Return expression and type of the column."""
    if column.is_all(NUMBERS):
        return numbers.reading(column, habits, notes)
    if column.is_all(DATES):
        return dates.reading(con, raw, column, habits, notes)
    if column.is_all({"bool"}):
        return f"CAST({column.value} AS BOOLEAN)", "BOOLEAN"
    if column.is_all({"clock"}):
        return f"TRY_CAST({column.value} AS TIME)", "TIME"
    for names, what, cast in ((NUMBERS, "numbers", "DOUBLE"), (DATES, "dates", "DATE")):
        if column.is_nearly(names):
            notes.add(_stays_text(column, names, what, cast), column.name)
    return column.value, "VARCHAR"


def _stays_text(column: Column, names: frozenset[str], what: str, cast: str) -> str:
    fit, odd = column.count(names), column.example_outside(names)
    return (
        f"{{}} stays text: {fit:,} of its {column.filled:,} values are {what}, but not '{odd[:40]}'. "
        f"TRY_CAST(… AS {cast}) reads the others."
    )


def _as_text(column: Column) -> Plan:
    return Plan(column.name, quote(column.name), "VARCHAR", 0)


def _create(con: Any, raw: str, table: str, plans: Sequence[Plan]) -> list[Plan]:
    """Create the table. Return the plans that lost values; the caller creates it again without them."""
    parts = ", ".join(f"{plan.expression} AS {quote(plan.name)}" for plan in plans)
    con.execute(f"CREATE OR REPLACE TABLE {quote(table)} AS SELECT {parts} FROM {quote(raw)}")  # noqa: S608
    checked = [plan for plan in plans if plan.filled]
    if not checked:
        return []
    counts = ", ".join(f"count({quote(plan.name)})" for plan in checked)
    found = con.execute(f"SELECT {counts} FROM {quote(table)}").fetchall()[0]  # noqa: S608
    return [plan for plan, count in zip(checked, found, strict=True) if count < plan.filled]
