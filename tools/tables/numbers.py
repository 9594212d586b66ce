"""Numbers in many notations: decimal points or commas, thousands separators, money and percentages."""

from __future__ import annotations

from tools.tables.columns import Column, Habits, Notes
from tools.tables.kinds import GAP, literal

_GAPS = ("gaps", "gaps point", "gaps comma")
_FRACTIONS = ("point", "exponent", "bare exponent", "comma", "us", "eu", "gaps point", "gaps comma", "infinite")
_TEXT = "VARCHAR"
_MANY = 20
"""Number of values from which three decimals everywhere are no coincidence."""


def proves_points(column: Column) -> bool:
    """Return True if a point can only be the decimal mark in this column."""
    return column.has("point", "us", "gaps point", "commas")


def proves_commas(column: Column) -> bool:
    return column.has("comma", "eu", "gaps comma", "dots")


def reading(column: Column, habits: Habits, notes: Notes) -> tuple[str, str]:
    """Return expression and type of a column in which every value is a number.

    It stays text where a number would lose something.
    """
    if column.has("zeros", "long"):
        return column.value, _TEXT  # identifiers: 00123, or more digits than a number keeps
    if column.has("bare exponent") and not column.has("point", "exponent", "us", "comma", "eu"):
        notes.add(f"{{}} stays text: {column.examples['bare exponent']} may be a number or a code.", column.name)
        return column.value, _TEXT
    if problem := _mixture(column):
        notes.add(f"{{}} stays text: {problem}.", column.name)
        return column.value, _TEXT
    mark = _decimal_mark(column, habits, notes)
    _note_units(column, notes)
    text = column.value
    if column.has(*_GAPS):
        notes.add("Read spaces and apostrophes as thousands separators in: {}.", column.name)
        text = f"regexp_replace({text}, {literal(GAP)}, '', 'g')"
    text = f"replace(replace({text}, '.', ''), ',', '.')" if mark == "," else f"replace({text}, ',', '')"
    whole = not column.has(*_FRACTIONS, "dot3" if mark == "." else "comma3")
    kind = "BIGINT" if whole else "DOUBLE"
    return f"TRY_CAST({text} AS {kind})", kind


def _mixture(column: Column) -> str:
    """Return why the values cannot be one column of numbers, or ""."""
    points, commas = proves_points(column), proves_commas(column)
    if (points and commas) or (column.has("dot3") and column.has("comma3") and not (points or commas)):
        return "it mixes decimal points and decimal commas"
    if len(column.units) > 1:
        return f"it mixes the units {' and '.join(column.units[:4])}"
    if column.units == ["%"] and column.without_unit:
        return "some of its values are percentages and some are not"
    return ""


def _decimal_mark(column: Column, habits: Habits, notes: Notes) -> str:
    if proves_points(column):
        if column.has("comma3", "commas", "us"):
            notes.add("Read commas as thousands separators in: {}.", column.name)
        return "."
    if proves_commas(column):
        if column.has("comma", "eu", "gaps comma"):
            notes.add("Read decimal commas as numbers in: {}.", column.name)
        else:
            notes.add("Read points as thousands separators in: {}.", column.name)
        return ","
    if column.has("dot3"):
        return _mark_by_points(column, habits, notes)
    return _mark_by_commas(column, habits, notes) if column.has("comma3") else "."


def _mark_by_points(column: Column, habits: Habits, notes: Notes) -> str:
    """Return the decimal mark of a column with values such as 1.234. Nothing in the column proves what the point is."""
    if not column.is_doubtful or (habits.points and not habits.commas):
        return "."
    if habits.commas and not habits.points:
        notes.add("Read points as thousands separators in: {}.", column.name)
        return ","
    if habits.delimiter == ";":
        notes.add("Read 1.234 as 1234 in: {}. If its points are decimal points, divide by 1000.", column.name)
        return ","
    # In comma-separated files, many numbers with three decimals each are measurements.
    if habits.delimiter != "," or column.filled < _MANY or column.has("int"):
        notes.add("Read 1.234 as a decimal number, not as 1234, in: {}.", column.name)
    return "."


def _mark_by_commas(column: Column, habits: Habits, notes: Notes) -> str:
    """Return the decimal mark of a column with values such as 1,234. Nothing in the column proves what the comma is."""
    if habits.points and not habits.commas:
        notes.add("Read commas as thousands separators in: {}.", column.name)
        return "."
    if habits.commas and not habits.points:
        notes.add("Read decimal commas as numbers in: {}.", column.name)
        return ","
    if habits.delimiter == ";":
        notes.add("Read 1,234 as 1.234 in: {}. If its commas separate thousands, multiply by 1000.", column.name)
        return ","
    notes.add("Read 1,234 as 1234 in: {}. If its commas are decimal commas, divide by 1000.", column.name)
    return "."


def _note_units(column: Column, notes: Notes) -> None:
    if column.units == ["%"]:
        notes.add("Read percentages as numbers (12 % is 12) in: {}.", column.name)
    elif column.units:
        notes.add("Read amounts of money as numbers in: {}.", f"{column.name} ({column.units[0]})")
