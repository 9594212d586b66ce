"""Distributions of a column's values."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import bars, caveats, group_rows, group_table, grouped, total_row
from agents.runtimes.demo.replay import Reply, ScriptedTurn
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import Column
from agents.runtimes.demo.wording import amount, code, count_of, listed, percent, plain, shown, table, what

BINS = 12


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with quartiles and a histogram of numbers, or counts of anything else."""
    column = request.measure.column
    if column is None:
        raise NoAnswer("I stopped: I cannot tell which column's values are asked about.")
    if not column.is_number or request.measure.is_indicator:
        return (yield from _of_values(state, request, column))
    return (yield from _of_numbers(state, request, column))


def histogram(state: AnalysisState, request: Request) -> Generator[ScriptedTurn, Reply, Mapping[str, Any] | None]:
    """Return the arguments of a histogram: counts in equal steps."""
    column = request.measure.column
    if column is None:
        return None
    (result,) = yield from ask_table(
        state, 3, "Counting", "Counting how often each size occurs.", _steps(state, request, column)
    )
    return _chart(column, result.text)


def _steps(state: AnalysisState, request: Request, column: Column) -> str:
    value = sql.number(column)
    return (
        f"WITH _all AS (SELECT {value} AS v FROM {state.table.source}{request.where(f'{value} IS NOT NULL')}),\n"
        "_ends AS (SELECT min(v) AS low, max(v) AS high FROM _all)\n"
        f"SELECT least(floor((v - low) / nullif(high - low, 0) * {BINS}), {BINS - 1}) AS step, any_value(low) AS low, "
        "any_value(high) AS high, count(*) AS n\nFROM _all, _ends GROUP BY 1 ORDER BY 1"
    )


def _chart(column: Column, text: str) -> Mapping[str, Any] | None:
    rows = [row for row in reading.rows(text) if row["step"]]
    if len(rows) < 2:
        return None
    low, high = reading.number(rows[0]["low"]), reading.number(rows[0]["high"])
    width = (high - low) / BINS
    counts = {int(reading.number(row["step"])): reading.number(row["n"]) for row in rows}
    labels = [f"{low + step * width:.4g} to {low + (step + 1) * width:.4g}" for step in range(BINS)]
    return {
        "kind": "bar",
        "title": f"How {plain(column.name)} is distributed"[:160],
        "labels": labels,
        "series": [{"name": "Rows", "values": [counts.get(step, 0) for step in range(BINS)]}],
        "y_label": "Rows",
        "x_label": plain(column.name),
    }


def _of_numbers(state: AnalysisState, request: Request, column: Column) -> Answer:
    queries = [total_row(state.table, request), _steps(state, request, column)]
    if request.by is not None:
        queries.append(grouped(state.table, request, request.by))
    narration = f"Looking at how {code(column.name)} is spread."
    results = yield from ask_table(state, 3, "Looking at the spread", narration, *queries)
    (row,) = reading.rows(results[0].text)
    filled = int(reading.number(row["filled"]))
    if not filled:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has a value there.")
    at = {key: amount(reading.number(row[key]), column) for key in ("mean", "median", "q25", "q75", "sd")}
    at |= {key: amount(reading.number(row[key]), column, is_exact=True) for key in ("low", "high")}
    name = code(column.name)
    sentence = (
        f"Half of {name} lies between {at['q25']} and {at['q75']}: the median is {at['median']}, the average "
        f"{at['mean']}, "
        f"over {count_of(filled, 'row')} from {at['low']} to {at['high']}."
    )
    sections = [
        "## The figures\n\n"
        + table(
            ("", name),
            [
                ("Rows", f"{filled:,}"),
                ("Lowest", at["low"]),
                ("A quarter is up to", at["q25"]),
                ("Median", at["median"]),
                ("Three quarters are up to", at["q75"]),
                ("Highest", at["high"]),
                ("Average", at["mean"]),
                ("Standard deviation", at["sd"]),
            ],
        )
    ]
    if request.by is not None:
        rows = group_rows(results[2].text, request.by)
        sections.append(group_table(request.measure, request.by, rows, all_groups=reading.row_count(results[2].text)))
    return Finding(
        request=request,
        sentences=[sentence, *_skew(row, name)],
        headline=f"{plain(column.name)}: median {at['median']}, half between {at['q25']} and {at['q75']}",
        chart=_chart(column, results[1].text),
        sections=sections,
        method=f"worked out the quartiles of {name}",
        caveats=caveats(state.table, request, counted=filled, rows=int(reading.number(row["n"]))),
    )


def _skew(row: Mapping[str, str], name: str) -> list[str]:
    """Return a sentence if a few high or low values pull the average away from the median."""
    mean, median, sd = (reading.number(row[key]) for key in ("mean", "median", "sd"))
    if sd and abs(mean - median) > 0.2 * sd:
        side = "high" if mean > median else "low"
        return [f"A few {side} values pull the average of {name} {'above' if side == 'high' else 'below'} the median."]
    return []


def _of_values(state: AnalysisState, request: Request, column: Column) -> Answer:
    """Answer with the count of each value, month or flag."""
    by = Grouping(column, "month" if column.is_date and column.months > 2 else "")
    counted = Request(
        ask=request.ask, text=request.text, measure=Measure(Aggregate.ROWS), by=by, filters=request.filters
    )
    narration = f"Counting the values of {code(column.name)}."
    order = "value" if column.is_time else ""
    (result,) = yield from ask_table(state, 3, "Counting", narration, grouped(state.table, counted, by, order=order))
    rows = group_rows(result.text, by)
    if not rows:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has a value there.")
    whole = sum(row.rows for row in rows)
    top = sorted(rows, key=lambda row: -row.rows)
    first = listed([f"{shown(row.value)} {row.rows:,} ({percent(row.rows / whole)})" for row in top[:6]])
    all_groups = reading.row_count(result.text)
    more = f", then {all_groups - 6:,} more" if all_groups > 6 else ""
    title = f"{plain(column.name)}: most often {plain(top[0].value)}, {top[0].rows:,} of {whole:,}"
    return Finding(
        request=request,
        sentences=[f"{code(column.name)} is distributed like this over {count_of(whole, 'row')}: {first}{more}."],
        headline=title,
        chart=bars(title, Measure(Aggregate.ROWS), rows, is_time=column.is_time),
        sections=[group_table(Measure(Aggregate.ROWS), by, rows, all_groups=all_groups)],
        method=f"counted the {what(Measure(Aggregate.DISTINCT, column)).removeprefix('number of ')}",
        caveats=caveats(state.table, counted),
    )
