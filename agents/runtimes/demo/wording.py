"""Formatting of names, numbers and values as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agents.runtimes.demo.request import Aggregate, Measure, Request
from agents.runtimes.demo.sentences import escaped
from agents.runtimes.demo.table_columns import Column, Kind

CURRENCIES = {"usd": "$", "eur": "€", "gbp": "£", "dollar": "$", "dollars": "$", "euro": "€", "euros": "€"}


def code(name: str) -> str:
    """Format a column's name as Markdown code that also works inside a table."""
    return "`" + " ".join(name.replace("`", "'").replace("|", "\\|").split()) + "`"


def quoted(text: str) -> str:
    """Return the text on one line in quotation marks, at most 200 characters of it."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= 200 else line[:199] + '…'}”"


def count_of(number: float, thing: str) -> str:
    return f"{number:,.0f} {thing}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    return f"{share:.1%}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """Join words as in: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def unit_of(column: Column) -> str:
    """Return the currency or percent sign of its numbers, from its values or its name."""
    if column.unit:
        return column.unit
    return next((CURRENCIES[word] for word in column.name.lower().replace("_", " ").split() if word in CURRENCIES), "")


def amount(value: float, column: Column, *, is_exact: bool = False) -> str:
    """Format a number of the column with its unit, rounded for reading or exactly as in the file."""
    unit = unit_of(column)
    sign = "-" if value < 0 else ""
    size = abs(value)
    if is_exact and unit in ("", "%"):
        digits = f"{size:,.10g}"
    elif unit not in ("", "%"):
        digits = f"{size:,.2f}"
    else:
        digits = _readable(size)
    return f"{sign}{digits}%" if unit == "%" else f"{sign}{unit}{digits}"


def _readable(size: float) -> str:
    if size >= 10_000:
        return f"{size:,.0f}"
    if size >= 1000:
        return f"{size:,.1f}"
    if size >= 1 or size == 0:
        return f"{size:,.2f}"
    return f"{size:.3f}" if size >= 0.01 else f"{size:.3g}"


def figure(value: float, measure: Measure, *, is_exact: bool = False) -> str:
    """Format a value of the measure for people."""
    if measure.column is None or measure.is_count:
        return f"{value:,.0f}"
    if measure.aggregate is Aggregate.SHARE:
        return percent(value)
    whole = measure.column.is_whole and measure.aggregate in (Aggregate.SUM, Aggregate.LOW, Aggregate.HIGH)
    return amount(value, measure.column, is_exact=is_exact or (whole and abs(value) < 1e10))


def what(measure: Measure) -> str:
    """Return the measure in words, to follow "the"."""
    column = measure.column
    if column is None:
        return "number of rows"
    name = code(column.name)
    if measure.is_indicator:
        value = measure.value or column.yes
        rows = "share of rows" if measure.aggregate is not Aggregate.ROWS else "number of rows"
        return f"{rows} where {name} is {shown(value)}"
    if measure.aggregate is Aggregate.ROWS:
        return f"number of rows with {name}"
    if measure.aggregate is Aggregate.DISTINCT:
        return f"number of different {name}"
    return f"{measure.aggregate.value} {name}"


def described(request: Request) -> str:
    """Return the reading of a question in one line of Markdown."""
    parts = [f"the {what(request.measure)}"]
    if request.of_rows and request.measure.column is not None:
        parts = [f"the {'lowest' if request.is_low else 'highest'} {code(request.measure.column.name)} of a row"]
    if request.other is not None and request.other.column is not None and request.measure.column is not None:
        parts = [f"{code(request.measure.column.name)} against {code(request.other.column.name)}"]
    if request.by is not None and not request.of_rows:
        parts.append(f"by {label(request.by.label, request.by.column)}")
    if request.filters:
        parts.append("only rows where " + " and ".join(plain(each.words(), 120) for each in request.filters))
    return ", ".join(parts)


def label(text: str, column: Column) -> str:
    """Return a group's label: the column as code, a time span in plain words."""
    return code(text) if text == column.name else text


def shown(text: str) -> str:
    """Format a value of the file as Markdown that shows it literally."""
    return escaped(plain(text)) if text.strip() else "(blank)"


def plain(text: str, most: int = 60) -> str:
    """Return the text on one line, at most `most` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 1] + "…"


def one_line(text: str) -> str:
    return shown(text) if len(text) <= 60 else shown(text[:59]) + "…"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table; numbers are right-aligned, the first column left-aligned."""
    align = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, align, *rows))


def without_markdown(text: str) -> str:
    import re

    return re.sub(r"\\(.)", r"\1", text.replace("`", ""))


def is_flag(column: Column | None) -> bool:
    return column is not None and column.kind is Kind.FLAG
