"""Parsers of tool results, which are written for models: Markdown tables and sentences."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.runtimes.demo.expressions import DAYS_FIRST, GERMAN, MONTHS_FIRST, QUARTER, WORDS, YEARS_FIRST
from agents.runtimes.demo.profile_queries import BLANK, DIFFERENT
from agents.runtimes.demo.table_columns import Column, Style, named_tokens

TEXT_TYPES = (".md", ".txt", ".csv", ".tsv", ".json", ".html", ".htm", ".yaml", ".yml", ".xml", ".log", ".eml", ".py")
CURRENCY_CODES = {"USD": "$", "US$": "$", "EUR": "€", "GBP": "£"}
MOSTLY = 0.8
"""Share of values that makes a text column one of numbers or dates."""


@dataclass(frozen=True, slots=True)
class TableFile:
    table: str
    file: str


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of the first Markdown table in the text, by column name; NULL is "" here."""
    lines = [line for line in text.split("\n") if line.startswith("|")]
    if len(lines) < 2:
        return []
    head = _cells(lines[0])
    return [dict(zip(head, _cells(line), strict=False)) for line in lines[2:]]


def row_count(text: str) -> int:
    """Return the total number of rows, including those that the result does not show."""
    found = re.search(r"^([\d,]+) rows?(?: in all;|\.)", text, re.MULTILINE)
    return int(number(found.group(1))) if found else len(rows(text))


def notes(text: str) -> list[str]:
    """Return the result's notes about how a file was read."""
    return [line.removeprefix("Note: ") for line in text.split("\n") if line.startswith("Note: ")]


def tables(text: str) -> list[TableFile]:
    """Return the tables that `list_files` reports."""
    return [TableFile(row["table"], row["file"]) for row in rows(text) if row.get("table")]


def text_files(text: str) -> list[str]:
    """Return the files of the run that `read_file` can show."""
    names = list(dict.fromkeys(row.get("file", "") for row in rows(text)))
    return [name for name in names if name.lower().endswith(TEXT_TYPES)]


def number(text: str) -> float:
    """Return the number in the text, 0 if there is none."""
    return maybe_number(text) or 0.0


def maybe_number(text: str) -> float | None:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return None


def columns(text: str) -> list[Column]:
    """Return the columns that `profile_queries.profile` found."""
    return [named_tokens(_column(row)) for row in rows(text)]


def exact(known: Sequence[Column], text: str) -> tuple[int, list[Column]]:
    """Return the number of rows, and the columns with the results of `exact_counts`."""
    found = list(known)
    total = 0
    for row in rows(text):
        at = int(row["nr"])
        total = int(number(row["rows"]))
        blank = int(number(row[BLANK]))
        found[at] = found[at].exactly(
            distinct=int(number(row[DIFFERENT])), filled=int(number(row["filled"])) - blank, marked_missing=blank
        )
    return total, found


def with_formats(known: Sequence[Column], text: str) -> list[Column]:
    """Return the columns with the number or date formats of most of their values."""
    found = list(known)
    for row in rows(text):
        at = int(row["nr"])
        found[at] = _as_date(found[at], row) or _as_number(found[at], row) or found[at]
    return found


def with_units(known: Sequence[Column], notes: Sequence[str]) -> list[Column]:
    """Return the columns with the currency or percent sign that the notes report."""
    money = " ".join(note for note in notes if "amounts of money" in note)
    percent = " ".join(note for note in notes if "percentages" in note)
    found = []
    for column in known:
        name = re.escape(column.name)
        sign = re.search(rf"(?<!\w){name} \(([^)]+)\)", money)
        if sign:
            column = column.exactly(unit=CURRENCY_CODES.get(sign.group(1).upper(), sign.group(1)))
        elif re.search(rf"(?<!\w){name}(?!\w)", percent.rpartition("in:")[2]):
            column = column.exactly(unit="%")
        found.append(column)
    return found


def with_values(known: Sequence[Column], text: str) -> list[Column]:
    """Return the columns with their distinct values."""
    by_name: dict[str, list[str]] = {}
    for row in rows(text):
        by_name.setdefault(row["factor"], []).append(row["value"])
    return [
        column.exactly(values=tuple(by_name[column.name])) if column.name in by_name else column for column in known
    ]


def may_be_whole_date(column: Column) -> bool:
    """Return True if the column's integers may be dates such as 19580329."""
    bounds = (column.low, column.high)
    return column.is_whole and all(len(bound) == 8 and bound[:2] in ("17", "18", "19", "20") for bound in bounds)


def with_spans(known: Sequence[Column], text: str) -> list[Column]:
    """Return the date columns with their first and last day."""
    found = list(known)
    for row in rows(text):
        at = int(row["nr"])
        column, filled = found[at], int(number(row["filled"]))
        if not column.is_date and filled < column.filled:
            continue
        dates = column.dates if column.is_date else ("%Y%m%d",)
        found[at] = column.exactly(
            low=row["low"],
            high=row["high"],
            dates=dates,
            odd=max(0, column.filled - filled),
            days=int(number(row["days"])),
            months=int(number(row["months"])),
            years=int(number(row["years"])),
            has_times=row["timed"] == "true",
        )
    return found


def _as_number(column: Column, row: Mapping[str, str]) -> Column | None:
    filled, point, comma = (int(number(row[key])) for key in ("filled", "point", "comma"))
    style, count = (Style.COMMA, comma) if comma > point else (Style.POINT, point)
    if not count or count < MOSTLY * filled:
        return None
    bounds = row[f"{style.name.lower()}_quartiles"].split()
    if len(bounds) != 5:
        return None
    low, *quartiles, high = bounds
    return column.exactly(
        style=style, unit=row["unit"], odd=filled - count, low=low, high=high, quartiles=tuple(quartiles)
    )


def _as_date(column: Column, row: Mapping[str, str]) -> Column | None:
    """Return the column as dates, or None.

    Formats are tried from unambiguous ones to day or month first, as most rows have it.
    """
    count = {key: int(number(row[key])) for key in ("filled", "years", "days", "months", "words", "german", "quarters")}
    day_month = [DAYS_FIRST, MONTHS_FIRST] if count["days"] >= count["months"] else [MONTHS_FIRST, DAYS_FIRST]
    formats: list[str] = [*YEARS_FIRST] if count["years"] else []
    if count["days"] or count["months"]:
        formats += [*day_month[0], *day_month[1]]
    if count["words"] or count["german"]:
        formats += WORDS
        formats += [GERMAN] if count["german"] > count["words"] else []
    formats += [QUARTER] if count["quarters"] else []
    words = max(count["words"], count["german"])
    covered = count["years"] + max(count["days"], count["months"]) + words + count["quarters"]
    if not formats or covered < MOSTLY * count["filled"]:
        return None
    return column.exactly(dates=tuple(formats), odd=max(0, count["filled"] - covered))


def _column(row: Mapping[str, str]) -> Column:
    count = number(row["count"])
    return Column(
        name=row["column_name"],
        type=row["column_type"].partition("(")[0],
        distinct=int(number(row["approx_unique"])),
        filled=round(count * (1 - number(row["null_percentage"]) / 100)),
        low=row["low"],
        high=row["high"],
        quartiles=tuple(quartile for quartile in (row["q25"], row["q50"], row["q75"]) if quartile),
    )


def _cells(line: str) -> list[str]:
    texts = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().removeprefix("|").removesuffix("|"))]
    return ["" if text == "NULL" else re.sub(r"\\(.)", _unescaped, text) for text in texts]


def _unescaped(found: re.Match[str]) -> str:
    return "\n" if found.group(1) == "n" else found.group(1)
