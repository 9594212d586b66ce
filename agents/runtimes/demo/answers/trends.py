"""Trends: a number over time."""

# ruff: noqa: S608

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import (
    GroupRow,
    bars,
    caveats,
    group_rows,
    group_table,
    grouped,
    name_of,
    value_of,
)
from agents.runtimes.demo.expressions import literal, number
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.wording import (
    code,
    count_of,
    figure,
    label,
    plain,
    shown,
    what,
    without_markdown,
)

MOST_LINES = 8
CLEAR = 2.0
"""t value above which a slope is called a trend."""
ROW = "row"


@dataclass(frozen=True, slots=True)
class Line:
    """Straight line through a series: `slope` per period, and its t value."""

    slope: float
    t: float
    share: float
    """R squared."""


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with the series, its direction and its ends."""
    time = state.table.time()
    if time is None:
        return (yield from _by_row(state, request))
    by = Grouping(time, grain_of(time, request))
    queries = [grouped(state.table, request, by, order="value")]
    if request.by is not None:
        queries.append(_lines_query(state, request, by, request.by))
    narration = f"Looking at the {what(request.measure)} by {plain(by.label)}."
    results = yield from ask_table(state, 3, "Following it over time", narration, *queries)
    rows = group_rows(results[0].text, by)
    if len(rows) < 2:
        raise NoAnswer(f"I stopped: there is only one {by.label} with values, so nothing can change over time.")
    rows, partial = _whole_periods(state, request, by, rows)
    sentences = [_headline(request, rows, by), *_ends(request, rows, by)]
    if request.by is not None:
        sentences += _of_lines(request, request.by, results[1].text)
    title = _title(request, rows, by)
    chart = _lines_chart(state, title, request, results[1].text, by) if request.by is not None else None
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=chart or bars(title, request.measure, rows, is_time=True),
        sections=[group_table(request.measure, by, rows, all_groups=len(rows))],
        method=f"worked out the {what(request.measure)} for each {by.label} and a straight line through them",
        caveats=[*caveats(state.table, request), *partial],
    )


def grain_of(time: Column, request: Request) -> str:
    """Return the requested time span, or the finest one that gives a readable series."""
    if time.kind is not Kind.DATE:
        return "decade" if request.grain == "decade" else ""
    if request.grain in ("decade", "year", "quarter", "month", "week", "day"):
        return request.grain
    if time.rhythm == "year":
        return "year"
    if time.days <= 62 and time.rhythm == "day":
        return "day"
    if time.months <= 120:
        return "month" if time.months > 2 else "day"
    return "year"


def _whole_periods(
    state: AnalysisState, request: Request, by: Grouping, rows: list[GroupRow]
) -> tuple[list[GroupRow], list[str]]:
    """Drop a first or last period that the data covers only in part; return the rest and caveats."""
    if len(rows) < 4:
        return rows, []
    usual = sorted(row.rows for row in rows[1:-1])[len(rows[1:-1]) // 2]
    lines = []
    for at in (-1, 0):
        if rows[at].rows < 0.7 * usual and usual > 1:
            lines.append(
                f"{plain(rows[at].value)} has only {count_of(rows[at].rows, 'row')} and was left out of the trend."
            )
            rows = rows[:-1] if at == -1 else rows[1:]
    return rows, lines


def line_of(rows: Sequence[GroupRow], by: Grouping) -> Line:
    """Fit the line through a series; gaps between its periods count."""
    places = [_place(row.key, by.grain) for row in rows]
    known = [place for place in places if place is not None]
    return line_through(known if len(known) == len(rows) else [*range(len(rows))], [row.figure for row in rows])


def _place(key: str, grain: str) -> float | None:
    """Return a period as a number of periods since a fixed origin, or None."""
    try:
        if grain == "decade":
            return int(key.rstrip("s")) / 10
        if grain == "quarter":
            return int(key[:4]) * 4 + int(key[-1])
        if grain == "month":
            return int(key[:4]) * 12 + int(key[5:7])
        if grain in ("week", "day"):
            return dt.date.fromisoformat(key).toordinal() / (7 if grain == "week" else 1)
        return float(key)
    except ValueError:
        return None


def line_through(places: Sequence[float], values: Sequence[float]) -> Line:
    """Fit a line by least squares."""
    n = len(values)
    middle, mean = sum(places) / n, sum(values) / n
    sxx = sum((x - middle) ** 2 for x in places)
    syy = sum((y - mean) ** 2 for y in values)
    sxy = sum((x - middle) * (y - mean) for x, y in zip(places, values, strict=True))
    slope = sxy / sxx if sxx else 0.0
    share = sxy**2 / (sxx * syy) if sxx and syy else 0.0
    rest = syy - slope * sxy
    error = math.sqrt(max(rest, 0.0) / (n - 2) / sxx) if n > 2 and sxx else 0.0
    t = slope / error if error > 1e-12 * abs(slope) else (math.inf if slope else 0.0)
    return Line(slope, abs(t), share)


def _headline(request: Request, rows: Sequence[GroupRow], by: Grouping) -> str:
    measure = request.measure
    first, last = rows[0], rows[-1]
    line = line_of(rows, by)
    name = name_of(measure, rows)
    ends = (
        f"from {value_of(measure, first)} ({shown(first.value)}) to {value_of(measure, last)} ({shown(last.value)})"
        f"{percent_of(first.figure, last.figure)}"
    )
    period = by.grain or ("year" if by.column.is_year else "row")
    points = count_of(len(rows), "date" if by.grain in ("day", "week") else period)
    slope = f"{figure_of(line.slope, measure)} a {period}"
    if len(rows) > 2 and line.t < CLEAR:
        return (
            f"The {name} shows no clear trend over {points}: it went {ends}, and the line through all of them is "
            "nearly level."
        )
    verb = "rose" if line.slope > 0 else "fell"
    if len(rows) == 2:
        verb = "rose" if last.figure > first.figure else "fell" if last.figure < first.figure else "stayed the same"
        return f"The {name} {verb} {ends}."
    if (line.slope > 0) == (last.figure >= first.figure):
        return f"The {name} {verb} {ends}: on average by {slope.lstrip('-')} over {points}."
    return (
        f"The {name} {verb} on the whole, by {slope.lstrip('-')} on average over {points}, though its ends go the "
        f"other way: {ends}."
    )


def figure_of(value: float, measure: Measure) -> str:
    """Format a difference in the unit of the measure."""
    if measure.aggregate is Aggregate.SHARE:
        return f"{value * 100:.2g} points"
    if measure.is_count:
        return f"{value:,.3g}"
    return figure(value, Measure(Aggregate.MEAN, measure.column))


def percent_of(first: float, last: float) -> str:
    return f", {(last - first) / abs(first):+.1%}" if first > 0 else ""


def _ends(request: Request, rows: Sequence[GroupRow], by: Grouping) -> list[str]:
    """Return sentences on the highest and lowest period and on the averages of the two halves."""
    if len(rows) < 4:
        return []
    measure = request.measure
    high, low = max(rows, key=lambda row: row.figure), min(rows, key=lambda row: row.figure)
    half = len(rows) // 2
    before = sum(row.figure for row in rows[:half]) / half
    after = sum(row.figure for row in rows[half:]) / (len(rows) - half)
    return [
        f"It was highest in {shown(high.value)} ({value_of(measure, high)}) and lowest in {shown(low.value)} "
        f"({value_of(measure, low)}).",
        f"Its average was {figure_of(before, measure)} in the first half ({shown(rows[0].value)} to "
        f"{shown(rows[half - 1].value)}) and "
        f"{figure_of(after, measure)} in the second ({shown(rows[half].value)} to {shown(rows[-1].value)}).",
    ]


def _title(request: Request, rows: Sequence[GroupRow], by: Grouping) -> str:
    measure, first, last = request.measure, rows[0], rows[-1]
    line = line_of(rows, by)
    verb = "no clear trend" if len(rows) > 2 and line.t < CLEAR else "rising" if line.slope > 0 else "falling"
    text = (
        f"{name_of(measure, rows)}: {verb}, {value_of(measure, first)} ({first.value}) to "
        f"{value_of(measure, last)} ({last.value})"
    )
    text = without_markdown(text)
    return text[:1].upper() + text[1:]


# ---- One line for each group


def _lines_query(state: AnalysisState, request: Request, time: Grouping, by: Grouping) -> str:
    """Return SQL for the largest groups: first and last period, highest and lowest figure."""
    measure = request.measure
    kept = request.where(f"{time.expression()} IS NOT NULL", f"{by.expression()} IS NOT NULL")
    return (
        f"WITH _all AS (SELECT {by.expression()} AS value, {time.expression()} AS moment, count(*) AS n, "
        f"{measure.expression()} AS figure FROM {state.table.source}{kept} GROUP BY 1, 2)\n"
        "SELECT value, min(moment) AS first_at, max(moment) AS last_at, arg_min(figure, moment) AS first, "
        "arg_max(figure, moment) AS last, sum(n) AS n\n"
        "FROM _all WHERE figure IS NOT NULL GROUP BY 1 ORDER BY n DESC, value LIMIT 12"
    )


def _of_lines(request: Request, by: Grouping, text: str) -> list[str]:
    parts = []
    for row in reading.rows(text)[:MOST_LINES]:
        first, last = reading.number(row["first"]), reading.number(row["last"])
        parts.append(
            f"{shown(by.shown(row['value']))} {_of(first, request)} → {_of(last, request)}{percent_of(first, last)}"
        )
    return [f"By {label(by.label, by.column)}: {'; '.join(parts)}."] if parts else []


def _of(value: float, request: Request) -> str:
    return figure(value, request.measure)


def _lines_chart(
    state: AnalysisState, title: str, request: Request, text: str, time: Grouping
) -> Mapping[str, Any] | None:
    """Return the arguments of a chart with a line per largest group."""
    names = [row["value"] for row in reading.rows(text)[:MOST_LINES]]
    if request.by is None or not names:
        return None
    kept = request.where(
        f"{time.expression()} IS NOT NULL", f"{request.by.expression()} IN ({', '.join(map(literal, names))})"
    )
    query = (
        f"SELECT {time.expression()} AS moment, {request.by.expression()} AS line, "
        f"{request.measure.expression()} AS figure\n"
        f"FROM {state.table.source}{kept} GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return {
        "kind": "line", "title": title[:160], "sql": query, "x": "moment", "y": "figure", "split_by": "line",
        "y_label": without_markdown(what(request.measure))[:60],
    }  # fmt: skip


# ---- Without a date


def _by_row(state: AnalysisState, request: Request) -> Answer:
    """Follow the number in the order of the rows, for a table without a date."""
    column = request.measure.column
    if column is None or not column.is_number:
        raise NoAnswer(f"I stopped: {state.table.file} has no column of dates, years or numbers to follow over time.")
    rows = state.table.asked_rows
    size = max(1, math.ceil(rows / 100))
    query = (
        f"WITH _all AS (SELECT {number(column)} AS v, row_number() OVER () - 1 AS place FROM {state.table.source})\n"
        f"SELECT CAST(floor(place / {size}) AS INTEGER) AS step, min(place) + 1 AS low, max(place) + 1 AS "
        "high, count(*) AS n, "
        "count(v) AS filled, avg(v) AS figure\nFROM _all GROUP BY 1 HAVING count(v) > 0 ORDER BY 1"
    )
    narration = "The table has no dates, so I follow the numbers in the order of the rows."
    (result,) = yield from ask_table(state, 3, "Following the rows", narration, query)
    found = [
        GroupRow(
            f"row {row['low']}" if row["low"] == row["high"] else f"rows {row['low']} to {row['high']}",
            int(reading.number(row["n"])), int(reading.number(row["filled"])), reading.number(row["figure"]),
        )
        for row in reading.rows(result.text)
    ]  # fmt: skip
    if len(found) < 2:
        raise NoAnswer(f"I stopped: {state.table.file} has too few rows for a trend.")
    measure = Measure(Aggregate.MEAN, column)
    asked = Request(ask=request.ask, text=request.text, measure=measure, filters=request.filters, unused=request.unused)
    by = Grouping(Column(name=ROW, type="BIGINT", distinct=rows, filled=rows, low="1", high=str(rows)))
    title = _title(asked, found, by)
    return Finding(
        request=asked,
        sentences=[_headline(asked, found, by), *_ends(asked, found, by)],
        headline=title,
        chart=bars(title, measure, found, is_time=True),
        sections=[group_table(measure, by, found, all_groups=len(found), title="In the order of the rows")],
        method=f"followed {code(column.name)} in the order of the rows",
        caveats=["The table has no dates: the order of the rows stands for time.", *caveats(state.table, asked)],
    )
