"""SQL that profiles the columns of a table."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo.expressions import literal, name
from agents.runtimes.demo.table_columns import Column, Style

PAGE = 150
"""Columns per page of the profile; a tool result shows 200 rows."""
FORMATS = {
    "years": sql.YEARS_FIRST,
    "days": sql.DAYS_FIRST,
    "months": sql.MONTHS_FIRST,
    "words": sql.WORDS,
    "german": (*sql.WORDS, sql.GERMAN),
}
DIFFERENT, BLANK = "different", "missing"


def profile(table: str, page: int = 0, *, is_source: bool = False) -> str:
    """Return SQL with one row per column: type, approximate number of values, range, quartiles.

    A source is SQL already.
    """
    source = table if is_source else name(table)
    return (
        'SELECT column_name, column_type, approx_unique, "count", null_percentage, '
        'left("min", 60) AS low, left("max", 60) AS high, q25, q50, q75\n'
        f"FROM (SUMMARIZE {source}) LIMIT {PAGE} OFFSET {page * PAGE}"
    )


def exact_counts(source: str, columns: Sequence[Column]) -> str:
    """Return SQL with one row per column: filled cells, distinct values, and marks of missing values."""
    counts = []
    for at, column in enumerate(columns):
        it = name(column.name)
        blank, value = "0", it
        if column.is_text:
            blank = f"count(*) FILTER ({sql.says_missing(it)})"
            value = f"CASE WHEN NOT {sql.says_missing(it)} THEN {it} END"
        counts.append(
            f'SELECT {at} AS nr, count(*) AS "rows", count({it}) AS filled, count(DISTINCT {value}) AS {DIFFERENT}, '
            f"{blank} AS {BLANK} FROM _t"
        )
    return _all_of(source, counts) + "\nORDER BY nr"


def _all_of(source: str, parts: Sequence[str]) -> str:
    """Combine several queries on one source, which appears in the statement once."""
    return f"WITH _t AS (SELECT * FROM {source})\n" + "\nUNION ALL ".join(parts)


def formats(source: str, columns: Sequence[Column]) -> str:
    """Return SQL with one row per text column: the number of values that are numbers or dates, by notation."""
    found = []
    for at, column in enumerate(columns):
        it = name(column.name)
        kept = f"FROM _t WHERE {it} IS NOT NULL AND NOT {sql.says_missing(it)}"
        parts = [f"{at} AS nr", "count(*) AS filled"]
        for style in Style:
            value = f"CASE WHEN {sql.is_number_text(it, style)} THEN {sql.number_in_text(it, style)} END"
            label = style.name.lower()
            parts.append(f"count({value}) AS {label}")
            parts.append(f"array_to_string(quantile_cont({value}, [0, 0.25, 0.5, 0.75, 1]), ' ') AS {label}_quartiles")
        parts.append(f"coalesce(mode(nullif(regexp_extract({it}, '[{sql.MONEY_SIGNS}%]'), '')), '') AS unit")
        for label, listed in FORMATS.items():
            parts.append(f"count({sql.date_in_text(it, listed)}) AS {label}")
        parts.append(f"count(*) FILTER ({sql.is_quarter(it)}) AS quarters")
        found.append(f"SELECT {', '.join(parts)} {kept}")
    return _all_of(source, found) + "\nORDER BY nr"


def values(source: str, columns: Sequence[Column]) -> str:
    """Return SQL for the distinct values of columns that have few, most frequent first."""
    parts = [
        f"SELECT {literal(column.name)} AS factor, CAST({name(column.name)} AS VARCHAR) AS value, count(*) AS n\n"
        f"FROM _t WHERE {name(column.name)} IS NOT NULL AND NOT "
        f"{sql.says_missing(f'CAST({name(column.name)} AS VARCHAR)')} "
        "GROUP BY ALL"
        for column in columns
    ]
    return _all_of(source, parts) + "\nORDER BY factor, n DESC, value"


def values_like(source: str, columns: Sequence[Column], words: Sequence[str]) -> str:
    """Return SQL for the values of text columns that equal one of the words, ignoring case."""
    listed = ", ".join(literal(word) for word in words)
    parts = [
        f"SELECT {literal(column.name)} AS factor, CAST({name(column.name)} AS VARCHAR) AS value, count(*) AS n\n"
        f"FROM _t WHERE lower(strip_accents(trim(CAST({name(column.name)} AS VARCHAR)))) IN ({listed}) "
        "GROUP BY ALL"
        for column in columns
    ]
    return _all_of(source, parts) + "\nORDER BY factor, n DESC, value LIMIT 60"


def spans(source: str, columns: Sequence[Column]) -> str:
    """Return SQL with one row per date column: first and last date, number of days and of valid dates."""
    found = []
    for at, column in enumerate(columns):
        it = sql.date(column) if column.is_date else sql.date_in_text(name(column.name), ("%Y%m%d",))
        found.append(
            f"SELECT {at} AS nr, strftime(min({it}), '%Y-%m-%d') AS low, strftime(max({it}), '%Y-%m-%d') AS high, "
            f"count({it}) AS filled, count(DISTINCT date_trunc('day', {it})) AS days, "
            f"count(DISTINCT date_trunc('month', {it})) AS months, count(DISTINCT year({it})) AS years, "
            f"coalesce(bool_or({it} <> date_trunc('day', {it})), false) AS timed FROM _t"
        )
    return _all_of(source, found) + "\nORDER BY nr"
