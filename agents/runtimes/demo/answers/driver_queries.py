"""SQL that ranks columns by the variance they explain."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo.expressions import name
from agents.runtimes.demo.request import Request
from agents.runtimes.demo.table_columns import Column

LONGEST = 15_000
"""Characters of one statement; a table of many columns takes several."""


def chunks(columns: Sequence[Column], *, within: Column | None = None) -> Iterator[list[Column]]:
    """Split the columns into lists that fit into one statement."""
    chunk: list[Column] = []
    length = 0
    extra = len(sql.group(within)) if within else 0
    for column in columns:
        size = len(sql.group(column)) + 2 * len(column.name) + extra + 20
        if chunk and length + size > LONGEST:
            yield chunk
            chunk, length = [], 0
        chunk.append(column)
        length += size
    if chunk:
        yield chunk


def ranking(source: str, request: Request, by: Sequence[Column], *, within: Column | None = None) -> str:
    """Return SQL for the groups of each column and the share of variance that they explain (eta squared).

    With `within`, the groups are the combinations of each column with that one.
    """
    return (
        f"WITH {_cases(source, request, by, within)}, {_long(by)}, _groups AS (\n"
        "  SELECT factor, value, count(*) AS n, avg(_measured) AS mean FROM _long GROUP BY ALL\n"
        "), _overall AS (\n"
        "  SELECT count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total, var_pop(_measured) AS variance\n"
        "  FROM _cases\n"
        ")\n"
        "SELECT factor, count(*) AS groups, max(g.n) AS largest,\n"
        "  coalesce(sum(g.n * (g.mean - o.mean) ** 2) / nullif(o.n * o.variance, 0), 0) AS explained,\n"
        '  o.n AS "rows", o.mean, o.total\n'
        "FROM _groups g, _overall o GROUP BY factor, o.n, o.mean, o.total, o.variance\n"
        "ORDER BY explained DESC, factor LIMIT 190"
    )


def groups(source: str, request: Request, by: Sequence[Column], *, most: int) -> str:
    """Return SQL for each column's `most` largest groups, and its highest and lowest one."""
    return (
        f"WITH {_cases(source, request, by)}, {_long(by)}, _groups AS (\n"
        "  SELECT factor, value, count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total\n"
        "  FROM _long GROUP BY factor, value\n)\n"
        "SELECT * FROM _groups\n"
        f"QUALIFY row_number() OVER (PARTITION BY factor ORDER BY n DESC, value) <= {most}\n"
        "  OR row_number() OVER (PARTITION BY factor ORDER BY mean DESC, n DESC, value) = 1\n"
        "  OR row_number() OVER (PARTITION BY factor ORDER BY mean, n DESC, value) = 1\n"
        "ORDER BY factor, mean DESC, n DESC, value"
    )


def combinations(source: str, request: Request, pair: Sequence[Column], *, at_least: int, most: int) -> str:
    """Return SQL for the combinations of two columns with the highest mean."""
    first, second = (name(column.name) for column in pair)
    return (
        f"WITH {_cases(source, request, pair)}\n"
        f"SELECT {first}, {second}, count(*) AS n, avg(_measured) AS mean, sum(_measured) AS total\n"
        f"FROM _cases GROUP BY ALL HAVING count(*) >= {at_least}\n"
        f"ORDER BY mean DESC, n DESC, {first}, {second} LIMIT {most}"
    )


def numbers_by_class(source: str, request: Request, target: Column, numbers: Sequence[Column]) -> str:
    """Return SQL for the share of each number's variance between the target's values (eta squared)."""
    cast = ", ".join(f"{sql.measured(column)} AS {name(column.name)}" for column in numbers)
    listed = ", ".join(name(column.name) for column in numbers)
    kept = request.where(f"{sql.reference(target)} IS NOT NULL")
    return (
        f"WITH _cases AS (SELECT {sql.text(target)} AS _target, {cast} FROM {source}{kept}),\n"
        f"_long AS (UNPIVOT _cases ON {listed} INTO NAME factor VALUE v),\n"
        "_groups AS (SELECT factor, _target, count(*) AS n, avg(v) AS mean FROM _long GROUP BY ALL),\n"
        "_whole AS (SELECT factor, count(*) AS n, avg(v) AS mean, var_pop(v) AS variance FROM _long GROUP BY ALL)\n"
        'SELECT factor, count(*) AS groups, w.n AS "rows",\n'
        "  coalesce(sum(g.n * (g.mean - w.mean) ** 2) / nullif(w.n * w.variance, 0), 0) AS explained,\n"
        "  arg_max(_target, g.mean) AS high, max(g.mean) AS high_mean, arg_min(_target, g.mean) AS low, "
        "min(g.mean) AS low_mean\n"
        "FROM _groups g JOIN _whole w USING (factor) GROUP BY factor, w.n, w.variance\n"
        "ORDER BY explained DESC, factor LIMIT 190"
    )


def classes_by_group(source: str, request: Request, target: Column, by: Sequence[Column]) -> str:
    """Return SQL for the association of each grouping column with the target (Cramér's V squared)."""
    kept_columns = ", ".join(f"{sql.group(column)} AS {name(column.name)}" for column in by)
    kept = request.where(f"{sql.reference(target)} IS NOT NULL")
    return (
        f"WITH _cases AS (SELECT {sql.text(target)} AS _target, {kept_columns} FROM {source}{kept}), {_long(by)},\n"
        "_n AS (SELECT factor, value, _target, count(*) AS n FROM _long GROUP BY ALL),\n"
        "_rows AS (SELECT factor, value, sum(n) AS n FROM _n GROUP BY ALL),\n"
        "_columns AS (SELECT factor, _target, sum(n) AS n FROM _n GROUP BY ALL),\n"
        "_whole AS (SELECT factor, sum(n) AS n FROM _n GROUP BY ALL),\n"
        "_chi AS (SELECT r.factor, sum((coalesce(_n.n, 0) - r.n * c.n / w.n) ** 2 / (r.n * c.n / w.n)) AS chi, "
        "any_value(w.n) AS n, count(DISTINCT r.value) AS groups, count(DISTINCT c._target) AS classes\n"
        "  FROM _rows r JOIN _columns c USING (factor) JOIN _whole w USING (factor)\n"
        "  LEFT JOIN _n ON _n.factor = r.factor AND _n.value = r.value AND _n._target = c._target GROUP BY r.factor)\n"
        'SELECT factor, groups, n AS "rows",\n'
        "  coalesce(chi / (n * nullif(least(groups, classes) - 1, 0)), 0) AS explained\n"
        "FROM _chi ORDER BY explained DESC, factor LIMIT 190"
    )


def _cases(source: str, request: Request, by: Sequence[Column], within: Column | None = None) -> str:
    before = f"{sql.group(within)} || ' · ' || " if within else ""
    kept = ",\n    ".join(f"{before}{sql.group(column)} AS {name(column.name)}" for column in by)
    measured = request.measure.of_row()
    return (
        f"_cases AS (\n  SELECT {measured} AS _measured,\n    {kept}\n  FROM "
        f"{source}{request.where(f'{measured} IS NOT NULL')}\n)"
    )


def _long(by: Sequence[Column]) -> str:
    listed = ", ".join(name(column.name) for column in by)
    return f"_long AS (\n  UNPIVOT _cases ON {listed} INTO NAME factor VALUE value\n)"
