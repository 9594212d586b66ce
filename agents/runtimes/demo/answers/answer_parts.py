"""Shared parts of answers: groups of rows with their figures, as SQL, as Markdown and as charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.runtimes.demo import reading
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import NoAnswer
from agents.runtimes.demo.table import Table
from agents.runtimes.demo.table_columns import Column
from agents.runtimes.demo.wording import code, count_of, figure, label, listed, plain, shown, table, what

MOST_BARS = 20
MOST_LISTED = 60
FEW_ROWS = 5
"""Rows below which a group is called small."""
ANSWER_ROWS = 200


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One group with its figure. `filled` counts the rows with a value to measure."""

    value: str
    rows: int
    filled: int
    figure: float
    mean: float = 0.0
    total: float = 0.0
    key: str = ""
    """SQL value of the group, which sorts by time."""


def grouped(
    source: Table,
    request: Request,
    by: Grouping,
    *,
    order: str = "",
    limit: int = ANSWER_ROWS,
    where: Sequence[str] = (),
) -> str:
    """Return SQL with one row per group: rows, filled rows, figure, mean and total.

    Rows without a group are left out.
    """
    measure = request.measure
    value = by.expression()
    row = measure.of_row()
    numbers = f"avg({row}) AS mean, sum({row}) AS total" if has_numbers(measure) else "0 AS mean, 0 AS total"
    direction = "ASC" if request.is_low else "DESC"
    order = order or f"figure {direction} NULLS LAST, value"
    kept = request.where(f"{value} IS NOT NULL", *where)
    return (
        f"SELECT {value} AS value, count(*) AS n, count({row}) AS filled,\n"
        f"  {measure.expression()} AS figure, {numbers}\n"
        f"FROM {source.source}{kept}\nGROUP BY 1 ORDER BY {order} LIMIT {limit}"
    )


def column_of(measure: Measure) -> Column:
    """Return the measured column; raise NoAnswer if the measure has none."""
    if measure.column is None:
        raise NoAnswer("I stopped: I cannot tell which column is meant.")
    return measure.column


def has_numbers(measure: Measure) -> bool:
    """Return True if the measure's rows can be averaged."""
    return measure.column is not None and (measure.is_indicator or measure.column.is_number)


def group_rows(text: str, by: Grouping) -> list[GroupRow]:
    """Parse the result of `grouped`; groups without any measured value are left out."""
    found = []
    for row in reading.rows(text):
        value = reading.maybe_number(row["figure"])
        if value is None:
            continue
        mean, total = reading.number(row["mean"]), reading.number(row["total"])
        found.append(
            GroupRow(
                by.shown(row["value"]),
                int(reading.number(row["n"])),
                int(reading.number(row["filled"])),
                value,
                mean,
                total,
                row["value"],
            )
        )
    return found


def total_row(source: Table, request: Request) -> str:
    """Return SQL with one row over all rows that match the request."""
    measure = request.measure
    row = measure.of_row()
    more = ""
    if has_numbers(measure):
        more = (
            f", avg({row}) AS mean, sum({row}) AS total, median({row}) AS median, min({row}) AS low, "
            f"max({row}) AS high, "
            f"stddev_samp({row}) AS sd, quantile_cont({row}, 0.25) AS q25, quantile_cont({row}, 0.75) AS q75"
        )
    return (
        f"SELECT count(*) AS n, count({row}) AS filled, {measure.expression()} AS figure{more}\n"
        f"FROM {source.source}{request.where()}"
    )


def value_of(measure: Measure, row: GroupRow) -> str:
    """Format the figure: exactly as in the file if it comes from one row, else rounded."""
    return figure(row.figure, measure, is_exact=row.filled == 1)


def behind(measure: Measure, row: GroupRow) -> str:
    """Return the basis of a figure in brackets, or "" if there is nothing to add."""
    if measure.aggregate is Aggregate.SHARE:
        return f" ({row.total:,.0f} of {row.filled:,})"
    if measure.is_count:
        return ""
    return f" ({count_of(row.filled, 'row')})"


def group_table(measure: Measure, by: Grouping, rows: Sequence[GroupRow], *, all_groups: int, title: str = "") -> str:
    """Return a section with a table of at most MOST_LISTED groups."""
    name = label(by.label, by.column)
    kept = list(rows[:MOST_LISTED])
    head = [name[:1].upper() + name[1:], "Rows"]
    cells = [[shown(row.value), f"{row.rows:,}"] for row in kept]
    if measure.aggregate is Aggregate.ROWS and measure.column is None:
        whole = sum(row.rows for row in rows)
        head.append("Share")
        cells = [[*line, f"{row.rows / whole:.1%}" if whole else ""] for line, row in zip(cells, kept, strict=True)]
    else:
        head.append(_column_title(measure))
        cells = [
            [*line, figure(row.figure, measure, is_exact=row.filled == 1)]
            for line, row in zip(cells, kept, strict=True)
        ]
        for title_of, aggregate, attribute in (("Average", Aggregate.MEAN, "mean"), ("Total", Aggregate.SUM, "total")):
            if has_numbers(measure) and not measure.is_indicator and measure.aggregate is not aggregate:
                other = Measure(aggregate, measure.column)
                head.append(title_of)
                cells = [[*line, figure(getattr(row, attribute), other)] for line, row in zip(cells, kept, strict=True)]
    text = f"## {title or f'By {name}'}\n\n" + table(head, cells)
    if all_groups > len(kept):
        text += f"\n\nThe first {len(kept)} of {all_groups:,} groups; all of them were counted."
    return text


def _column_title(measure: Measure) -> str:
    text = what(measure)
    return text[:1].upper() + text[1:]


def bars(title: str, measure: Measure, rows: Iterable[GroupRow], *, is_time: bool = False) -> Mapping[str, Any] | None:
    """Return the arguments of a chart of the groups: a line over time, bars otherwise."""
    kept = list(rows)
    kept = kept if is_time else kept[:MOST_BARS]
    if not kept:
        return None
    is_share = measure.aggregate is Aggregate.SHARE
    unit = _axis(measure)
    values = [round(row.figure * 100, 1) if is_share else float(f"{row.figure:.6g}") for row in kept]
    return {
        "kind": "line" if is_time and len(kept) > 2 else "barh",
        "title": title[:160],
        "labels": [plain(row.value, 40) for row in kept],
        "series": [{"name": unit, "values": values}],
        "y_label": unit,
    }


def _axis(measure: Measure) -> str:
    text = what(measure).replace("`", "").replace("\\", "")
    return (text[:1].upper() + text[1:] + (" (%)" if measure.aggregate is Aggregate.SHARE else ""))[:60]


def caveats(source: Table, request: Request, *, counted: int | None = None, rows: int | None = None) -> list[str]:
    """Return caveats: rows left out, values that cannot be parsed, words of the question without a match."""
    lines = []
    measure = request.measure
    if request.filters:
        lines.append("Only rows where " + " and ".join(plain(each.words(), 160) for each in request.filters) + ".")
    if counted is not None and rows is not None and counted < rows and measure.column is not None:
        lines.append(f"{rows - counted:,} rows have no {code(measure.column.name)} and were left out.")
    for column in {each.column for each in (measure, request.other) if each} | {g.column for g in (request.by,) if g}:
        if column is not None and column.odd:
            kind = "dates" if column.is_date else "numbers"
            lines.append(f"{column.odd:,} values of {code(column.name)} are no {kind} and were left out.")
    if request.by is not None and not request.by.column.expression:
        lines += _without_group(source, request.by.column)
    if request.unused:
        words = listed([f"“{word}”" for word in request.unused])
        lines.append(f"Nothing in the table stands for {words}, so the answer does not take account of that.")
    lines += request.taken
    return lines


def _without_group(source: Table, column: Column) -> list[str]:
    """Return caveats about rows that are in no group."""
    lines = []
    if column.marked_missing:
        lines.append(
            f"{column.marked_missing:,} rows say N/A or the like in {code(column.name)}, which counts as missing."
        )
    if (missing := source.asked_rows - column.filled - column.marked_missing) > 0:
        lines.append(f"{missing:,} rows have no {code(column.name)} and are in no group.")
    return lines


def lead(measure: Measure, rows: Sequence[GroupRow], *, is_low: bool) -> str:
    """Return the measure with its end, as in: highest average `price`."""
    return f"{'lowest' if is_low else 'highest'} {name_of(measure, rows)}"


def name_of(measure: Measure, rows: Sequence[GroupRow]) -> str:
    """Return the measure in words; without "average" or "total" if each group is one row."""
    is_single = all(row.filled <= 1 for row in rows) and has_numbers(measure) and not measure.is_indicator
    return code(measure.column.name) if is_single and measure.column is not None else what(measure)
