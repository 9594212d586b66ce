"""The SQL of the demo analyst, for DuckDB. Every name and value from outside goes through `name` or `literal`."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence

from agents.runtimes.demo.columns import MOST_NUMBERS, Column, Kind

EMPTY = "(empty)"
DIFFERENT = ": different"
NUMBERS = ": numbers"


def name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def profile(table: str) -> str:
    return (
        'SELECT column_name, column_type, approx_unique, "count", null_percentage, '
        'left("min", 60) AS low, left("max", 60) AS high, q25, q50, q75\n'
        f"FROM (SUMMARIZE {name(table)})"
    )


def exact_counts(table: str, columns: Sequence[Column]) -> str:
    """One row: all rows; of each column its different values, and of texts like "12,50" how many are numbers."""
    parts = ['count(*) AS "rows"']
    for column in columns:
        parts.append(f"count(DISTINCT {name(column.name)}) AS {name(column.name + DIFFERENT)}")
        if column.may_be_number_as_text:
            parts.append(f"count({_comma_number(column)}) AS {name(column.name + NUMBERS)}")
    listed = ",\n  ".join(parts)
    return f"SELECT {listed}\nFROM {name(table)}"


def ranking(table: str, measure: Column | None, by: Sequence[Column], *, within: Column | None = None) -> str:
    """For each column in `by`: its groups and the share of the measure's variance that they explain (eta squared).

    With `within`, the groups are the combinations of each column with that one.
    """
    return (
        f"WITH {_cases(table, measure, by, within)}, {_long(by)}, _groups AS (\n"
        "  SELECT factor, value, count(*) AS n, avg(_measured) AS mean FROM _long GROUP BY ALL\n"
        "), _overall AS (\n"
        "  SELECT count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total, var_pop(_measured) AS variance\n"
        "  FROM _cases\n"
        ")\n"
        "SELECT factor, count(*) AS groups, max(g.n) AS largest,\n"
        "  coalesce(sum(g.n * (g.mean - o.mean) ** 2) / nullif(o.n * o.variance, 0), 0) AS explained,\n"
        '  o.n AS "rows", o.mean, o.total\n'
        "FROM _groups g, _overall o GROUP BY factor, o.n, o.mean, o.total, o.variance\n"
        "ORDER BY explained DESC, factor"
    )


def groups(table: str, measure: Column | None, by: Sequence[Column], *, most: int) -> str:
    """The largest groups of each column in `by` with their rows, mean and total."""
    return (
        f"WITH {_cases(table, measure, by)}, {_long(by)}\n"
        "SELECT factor, value, count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total\n"
        "FROM _long GROUP BY factor, value\n"
        f"QUALIFY row_number() OVER (PARTITION BY factor ORDER BY count(*) DESC, value) <= {most}\n"
        "ORDER BY factor, mean DESC, n DESC, value"
    )


def combinations(table: str, measure: Column | None, pair: Sequence[Column], *, at_least: int, most: int) -> str:
    """The combinations of two columns with the highest mean."""
    first, second = (name(column.name) for column in pair)
    return (
        f"WITH {_cases(table, measure, pair)}\n"
        f"SELECT {first}, {second}, count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total\n"
        f"FROM _cases GROUP BY ALL HAVING count(*) >= {at_least}\n"
        f"ORDER BY mean DESC, n DESC, {first}, {second} LIMIT {most}"
    )


def _cases(table: str, measure: Column | None, by: Sequence[Column], within: Column | None = None) -> str:
    before = f"{_group(within)} || ' · ' || " if within else ""
    kept = ",\n    ".join(f"{before}{_group(column)} AS {name(column.name)}" for column in by)
    measured = _measured(measure) if measure else "1"
    return (
        f"_cases AS (\n  SELECT {measured} AS _measured,\n    {kept}\n"
        f"  FROM {name(table)} WHERE {measured} IS NOT NULL\n)"
    )


def _long(by: Sequence[Column]) -> str:
    listed = ", ".join(name(column.name) for column in by)
    return f"_long AS (\n  UNPIVOT _cases ON {listed} INTO NAME factor VALUE value\n)"


def _measured(column: Column) -> str:
    if column.kind is Kind.FLAG:
        if column.type == "BOOLEAN":
            return f"CAST({name(column.name)} AS INTEGER)"
        return f"CAST(CAST({name(column.name)} AS VARCHAR) = {literal(column.yes)} AS INTEGER)"
    return _number(column)


def _number(column: Column) -> str:
    return _comma_number(column) if column.is_number_as_text else f"CAST({name(column.name)} AS DOUBLE)"


def _comma_number(column: Column) -> str:
    return f"TRY_CAST(replace({name(column.name)}, ',', '.') AS DOUBLE)"


def _group(column: Column) -> str:
    """The group of a row as text, never NULL."""
    if column.kind is Kind.DATE:
        value = f"strftime({name(column.name)}, '%Y-%m')"
    elif column.kind is Kind.NUMBER and column.distinct > MOST_NUMBERS:
        value = _quarter(column)
    else:
        value = f"CAST({name(column.name)} AS VARCHAR)"
    return f"coalesce({value}, {literal(EMPTY)})"


def _quarter(column: Column) -> str:
    bounds = sorted({float(f"{float(quartile):.3g}") for quartile in column.quartiles})
    if not bounds:
        return f"CAST({name(column.name)} AS VARCHAR)"
    number = _number(column)
    cases = " ".join(
        f"WHEN {number} <= {bound:.12g} THEN {literal(_label(bounds, at))}" for at, bound in enumerate(bounds)
    )
    return f"CASE {cases} WHEN {number} IS NOT NULL THEN {literal(f'over {bounds[-1]:.12g}')} END"


def _label(bounds: Sequence[float], at: int) -> str:
    return f"up to {bounds[0]:.12g}" if at == 0 else f"{bounds[at - 1]:.12g} to {bounds[at]:.12g}"
