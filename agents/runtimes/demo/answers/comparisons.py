"""Comparisons of two or more groups, or of two columns."""

# ruff: noqa: S608

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import (
    GroupRow,
    bars,
    behind,
    caveats,
    group_rows,
    group_table,
    grouped,
    value_of,
)
from agents.runtimes.demo.answers.trends import figure_of
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.wording import (
    amount,
    code,
    count_of,
    figure,
    label,
    listed,
    plain,
    shown,
    table,
    what,
    without_markdown,
)


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with the figures side by side and their difference."""
    if request.other is not None:
        return (yield from _of_columns(state, request))
    if request.by is None:
        raise NoAnswer("I stopped: I cannot tell which groups to compare.")
    return (yield from _of_values(state, request, request.by))


def _of_values(state: AnalysisState, request: Request, by: Grouping) -> Answer:
    measure = request.measure
    spread = f"stddev_samp({measure.of_row()})" if measure.column is not None and not measure.is_count else "0"
    kept = request.where(f"{by.expression()} IS NOT NULL")
    deviations = (
        f"SELECT {by.expression()} AS value, {spread} AS sd FROM {state.table.source}{kept} GROUP BY 1 LIMIT 200"
    )
    narration = f"Comparing {listed([plain(value, 40) for value in request.values[:6]])}."
    results = yield from ask_table(state, 3, "Comparing", narration, grouped(state.table, request, by), deviations)
    everyone = group_rows(results[0].text, by)
    rows = [row for row in everyone if row.value in [by.shown(value) for value in request.values]]
    if len(request.values) == 1 and rows:
        rows.append(_rest(everyone, rows[0], measure))
    if len(rows) < 2:
        raise NoAnswer(
            f"I stopped: of {listed([quoted_value(value) for value in request.values])} "
            f"only {count_of(len(rows), 'group')} of {state.table.file} has something to compare."
        )
    sd = {by.shown(row["value"]): reading.number(row["sd"]) for row in reading.rows(results[1].text)}
    sentences = [_headline(request, by, rows), *_chance(measure, rows, sd)]
    title = without_markdown(
        f"{what(measure)}: {plain(rows[0].value, 40)} {value_of(measure, rows[0])}, "
        f"{plain(rows[1].value, 40)} {value_of(measure, rows[1])}"
    )
    title = title[:1].upper() + title[1:]
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=bars(title, measure, rows),
        sections=[group_table(measure, by, rows, all_groups=len(rows))],
        method=f"compared {count_of(len(rows), 'group')} by {label(by.label, by.column)}",
        caveats=caveats(state.table, request),
    )


def quoted_value(text: str) -> str:
    return f"“{plain(text, 40)}”"


def _rest(everyone: Sequence[GroupRow], one: GroupRow, measure: Measure) -> GroupRow:
    """Return all other groups combined into one."""
    others = [row for row in everyone if row.value != one.value]
    rows, filled, total = (sum(getattr(row, name) for row in others) for name in ("rows", "filled", "total"))
    mean = total / filled if filled else 0.0
    value = {Aggregate.MEAN: mean, Aggregate.SHARE: mean, Aggregate.SUM: total}.get(measure.aggregate, float(rows))
    return GroupRow("all others", rows, filled, value, mean, total)


def _headline(request: Request, by: Grouping, rows: Sequence[GroupRow]) -> str:
    measure = request.measure
    first, last = rows[0], rows[-1]
    if len(rows) > 2:
        names = listed([f"{shown(row.value)} {value_of(measure, row)}{behind(measure, row)}" for row in rows])
        return f"By {label(by.label, by.column)}, the {what(measure)} is: {names}."
    difference = abs(first.figure - last.figure)
    if math.isclose(first.figure, last.figure, rel_tol=1e-12):
        return (
            f"The {what(measure)} is the same for {shown(first.value)} and {shown(last.value)}: "
            f"{value_of(measure, first)}."
        )
    high, low = (first, last) if first.figure > last.figure else (last, first)
    relative = _relative(high.figure, low.figure)
    text = (
        f"The {what(measure)} is higher for {shown(high.value)} "
        f"({value_of(measure, high)}{_rows(measure, high)}) than for "
        f"{shown(low.value)} ({value_of(measure, low)}{_rows(measure, low)}): the difference is "
        f"{figure_of(difference, measure)}{relative}."
    )
    if measure.is_inverse:
        text += f" So {shown(low.value)} has the higher {measure.word}."
    return text


def _relative(high: float, low: float) -> str:
    """Return how far the higher figure exceeds the lower one, or "" if that is undefined."""
    if low <= 0:
        return ""
    return (
        f", {(high - low) / low:.1%}"
        if high < 4 * low
        else f", {high / low:,.{0 if high > 10 * low else 1}f} times as much"
    )


def _rows(measure: Measure, row: GroupRow) -> str:
    return "" if measure.is_count else f", {count_of(row.filled, 'row')}"


def _chance(measure: Measure, rows: Sequence[GroupRow], sd: Mapping[str, float]) -> list[str]:
    """Return a sentence on whether two averages differ by more than chance, by their t value."""
    if len(rows) != 2 or measure.aggregate is not Aggregate.MEAN or any(row.filled < 3 for row in rows):
        return []
    spreads = [sd.get(row.value, 0.0) for row in rows]
    error = math.sqrt(sum(spread**2 / row.filled for spread, row in zip(spreads, rows, strict=True)))
    if not error or not all(spreads):
        return []
    t = abs(rows[0].figure - rows[1].figure) / error
    if t < 2:
        return ["The values within each group spread so far that the difference may be chance."]
    return ["The difference is larger than the spread within the groups would give by chance."]


def _of_columns(state: AnalysisState, request: Request) -> Answer:
    """Compare two columns of the same rows."""
    pair = [request.measure.column, request.other.column if request.other else None]
    columns = [column for column in pair if column is not None]
    if len(columns) != 2:
        raise NoAnswer("I stopped: I cannot tell which two columns to compare.")
    first, second = (sql.measured(column) for column in columns)
    query = (
        f"SELECT count(*) AS n, avg({first}) AS first, avg({second}) AS second, sum({first}) AS first_total, "
        f"sum({second}) AS second_total, count(*) FILTER ({first} > {second}) AS higher\n"
        f"FROM {state.table.source}{request.where(f'{first} IS NOT NULL', f'{second} IS NOT NULL')}"
    )
    narration = f"Comparing {code(columns[0].name)} and {code(columns[1].name)} in the rows that have both."
    (result,) = yield from ask_table(state, 3, "Comparing", narration, query)
    (row,) = reading.rows(result.text)
    count = int(reading.number(row["n"]))
    if not count:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has both columns.")
    means = [reading.number(row["first"]), reading.number(row["second"])]
    high = 0 if means[0] >= means[1] else 1
    parts = [f"{code(column.name)} {amount(mean, column)}" for column, mean in zip(columns, means, strict=True)]
    higher = int(reading.number(row["higher"]))
    sentence = (
        f"On average {parts[high]} is higher than {parts[1 - high]}, over {count_of(count, 'row')}; "
        f"{code(columns[0].name)} is the higher one in {higher:,} of them."
    )
    cells = [
        (code(column.name), amount(mean, column), figure(reading.number(row[key]), Measure(Aggregate.SUM, column)))
        for column, mean, key in zip(columns, means, ("first_total", "second_total"), strict=True)
    ]
    title = without_markdown(f"Average {parts[high]}, {parts[1 - high]}")
    rows = [GroupRow(column.name, count, count, mean) for column, mean in zip(columns, means, strict=True)]
    return Finding(
        request=request,
        sentences=[sentence],
        headline=title,
        chart=bars(title, Measure(Aggregate.MEAN, columns[0]), rows),
        sections=["## The two columns\n\n" + table(("Column", "Average", "Total"), cells)],
        method=f"compared {code(columns[0].name)} and {code(columns[1].name)}",
        caveats=caveats(state.table, request),
    )
