"""Figures: an average, a total, a count or a share, of all rows or by groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

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
    has_numbers,
    total_row,
    value_of,
)
from agents.runtimes.demo.answers.distributions import histogram
from agents.runtimes.demo.answers.extremes import other_months
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.wording import (
    amount,
    code,
    count_of,
    figure,
    label,
    listed,
    one_line,
    percent,
    plain,
    shown,
    table,
    what,
    without_markdown,
)

ALL_NAMED = 6
"""Number of groups up to which the answer's sentence names all of them."""


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with one figure, or one per group."""
    if request.by is None:
        return (yield from _of_all(state, request))
    return (yield from _of_groups(state, request, request.by))


# ---- All rows


def _of_all(state: AnalysisState, request: Request) -> Answer:
    measure = request.measure
    narration = f"Working out the {what(measure)}."
    queries = [total_row(state.table, request)]
    by = _shown_by(request)
    if by is not None:
        queries.append(
            grouped(state.table, replace(request, measure=Measure(Aggregate.ROWS), filters=_but(request, by)), by)
        )
    results = yield from ask_table(state, 3, "Counting", narration, *queries)
    (row,) = reading.rows(results[0].text)
    value = reading.maybe_number(row["figure"])
    filled = int(reading.number(row["filled"]))
    if value is None or (not filled and not measure.is_count):
        raise NoAnswer(f"I stopped: no row of {state.table.file} fits, so there is nothing to work out.")
    chart, section = None, ""
    if by is not None:
        rows = group_rows(results[1].text, by)
        chart = bars(f"Rows by {plain(by.label)}", Measure(Aggregate.ROWS), rows)
        section = group_table(Measure(Aggregate.ROWS), by, rows, all_groups=reading.row_count(results[1].text))
    elif has_numbers(measure) and not measure.is_indicator:
        chart = yield from histogram(state, request)
    sentence = _sentence_of_all(state, request, row, value)
    return Finding(
        request=request,
        sentences=[sentence],
        headline=_plain(sentence),
        chart=chart,
        sections=[_figures(measure, row), *([section] if section else [])],
        method=f"worked out the {what(measure)}",
        caveats=caveats(state.table, request, counted=filled, rows=int(reading.number(row["n"]))),
    )


def _shown_by(request: Request) -> Grouping | None:
    """Return the grouping to show beside a count, or None."""
    measure = request.measure
    if measure.column is not None and (measure.value or measure.aggregate is Aggregate.DISTINCT):
        return Grouping(measure.column)
    if measure.is_count:
        texts = [
            each for each in request.filters if each.operator == "=" and not each.grain and not each.column.is_number
        ]
        return Grouping(texts[0].column) if texts else None
    return None


def _but(request: Request, by: Grouping) -> list[Any]:
    return [each for each in request.filters if each.column != by.column]


def _sentence_of_all(state: AnalysisState, request: Request, row: Mapping[str, str], value: float) -> str:
    measure = request.measure
    rows, filled = int(reading.number(row["n"])), int(reading.number(row["filled"]))
    where = f" where {_conditions(request)}" if request.filters else ""
    if measure.aggregate is Aggregate.SHARE:
        name, of = (
            code(measure.column.name if measure.column else ""),
            shown(measure.value or (measure.column.yes if measure.column else "")),
        )
        return (
            f"{percent(value)} of the rows{where} have {name} {of}: {reading.number(row['total']):,.0f} of {filled:,}."
        )
    if measure.aggregate is Aggregate.DISTINCT and measure.column is not None:
        values = measure.column.values
        names = f": {listed([shown(each) for each in values])}" if 0 < len(values) <= 12 and not request.filters else ""
        return f"There are {value:,.0f} different {code(measure.column.name)}{where}{names}."
    if measure.aggregate is Aggregate.ROWS:
        return _sentence_of_count(state, request, value)
    name = what(measure)
    text = f"The {name}{where} is {figure(value, measure, is_exact=filled == 1)}"
    if measure.column is None or filled == 1:
        return text + "."
    low, high = (amount(reading.number(row[key]), measure.column, is_exact=True) for key in ("low", "high"))
    gaps = f" of {rows:,}" if filled < rows else ""
    return f"{text}, over {filled:,}{gaps} rows from {low} to {high}."


def _sentence_of_count(state: AnalysisState, request: Request, value: float) -> str:
    all_rows = state.table.asked_rows
    parts = []
    measure = request.measure
    if measure.column is not None:
        is_it = shown(measure.value or measure.column.yes) if measure.is_indicator else "filled"
        parts.append(f"{code(measure.column.name)} is {is_it}")
    if request.filters:
        parts.append(_conditions(request))
    if not parts:
        return f"{one_line(state.table.file)} has {count_of(value, 'row')}."
    share = f", {percent(value / all_rows)} of {all_rows:,}" if all_rows else ""
    return f"There {'is' if value == 1 else 'are'} {count_of(value, 'row')} where {' and '.join(parts)}{share}."


def _conditions(request: Request) -> str:
    return " and ".join(plain(each.words(), 120) for each in request.filters)


def _figures(measure: Measure, row: Mapping[str, str]) -> str:
    """Return the figures of all rows as a small table."""
    lines = [("Rows", f"{reading.number(row['n']):,.0f}")]
    if measure.column is not None and not measure.is_count:
        lines.append((f"with {code(measure.column.name)}", f"{reading.number(row['filled']):,.0f}"))
    if has_numbers(measure) and measure.column is not None and not measure.is_indicator:
        for key, title, aggregate in (
            ("mean", "Average", Aggregate.MEAN),
            ("median", "Median", Aggregate.MEDIAN),
            ("low", "Lowest", Aggregate.LOW),
            ("high", "Highest", Aggregate.HIGH),
            ("total", "Total", Aggregate.SUM),
        ):
            lines.append((title, figure(reading.number(row[key]), Measure(aggregate, measure.column))))
    else:
        lines.append((what(measure)[:1].upper() + what(measure)[1:], figure(reading.number(row["figure"]), measure)))
    return "## The figures\n\n" + table(("", ""), lines)


# ---- Groups


def _of_groups(state: AnalysisState, request: Request, by: Grouping) -> Answer:
    is_time = by.is_time or bool(by.grain)
    order = "value" if is_time else ""
    other = other_months(by) if by.grain == "month" else None
    queries = [grouped(state.table, request, by, order=order), total_row(state.table, request)]
    if other is not None:
        queries.append(grouped(state.table, request, other, order="value"))
    pair = _pair(state, request, by)
    if pair:
        queries.append(pair)
    narration = f"Working out the {what(request.measure)} for each group by {plain(by.label)}."
    results = yield from ask_table(state, 3, "Comparing groups", narration, *queries)
    rows = group_rows(results[0].text, by)
    if not rows:
        raise NoAnswer(f"I stopped: no row of {state.table.file} fits, so there is nothing to compare.")
    all_groups = reading.row_count(results[0].text)
    (whole,) = reading.rows(results[1].text)
    sentences = [_sentence_of_groups(request, by, rows, all_groups, whole)]
    sections = [group_table(request.measure, by, rows, all_groups=all_groups)]
    if other is not None:
        sections.append(group_table(request.measure, other, group_rows(results[2].text, other), all_groups=12))
    if pair and request.also_by is not None:
        sections.append(_pair_table(request, by, request.also_by, results[-1].text))
    title = _title_of_groups(request, by, rows)
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=bars(title, request.measure, rows, is_time=by.is_time),
        sections=sections,
        method=(
            f"worked out the {what(request.measure)} for {count_of(all_groups, 'group')} by "
            f"{label(by.label, by.column)}"
        ),
        caveats=caveats(
            state.table, request, counted=sum(row.filled for row in rows), rows=sum(row.rows for row in rows)
        )
        + _without_group(rows, whole, by),
    )


def _without_group(rows: Sequence[GroupRow], whole: Mapping[str, str], by: Grouping) -> list[str]:
    missing = int(reading.number(whole["n"])) - sum(row.rows for row in rows)
    return (
        [f"{missing:,} rows are in none of these groups: no {code(by.column.name)}, or nothing to measure."]
        if missing > 0
        else []
    )


def _sentence_of_groups(
    request: Request, by: Grouping, rows: Sequence[GroupRow], all_groups: int, whole: Mapping[str, str]
) -> str:
    measure, name = request.measure, label(by.label, by.column)
    overall = reading.maybe_number(whole["figure"])
    where = f" where {_conditions(request)}" if request.filters else ""
    if len(rows) <= ALL_NAMED:
        each = listed([f"{shown(row.value)} {value_of(measure, row)}{behind(measure, row)}" for row in rows])
        text = f"By {name}, the {what(measure)}{where} is: {each}"
    else:
        high, low = max(rows, key=lambda row: row.figure), min(rows, key=lambda row: row.figure)
        text = (
            f"By {name}, the {what(measure)}{where} is highest for {shown(high.value)} ({value_of(measure, high)}) and "
            f"lowest for {shown(low.value)} ({value_of(measure, low)}) of {all_groups:,} groups"
        )
    if overall is not None and (not measure.is_count or measure.aggregate is Aggregate.ROWS):
        text += f"; over all rows it is {figure(overall, measure)}"
    return text + "."


def _title_of_groups(request: Request, by: Grouping, rows: Sequence[GroupRow]) -> str:
    high = max(rows, key=lambda row: row.figure)
    text = _plain(
        f"{what(request.measure)} by {by.label}: highest for {plain(high.value)}, {value_of(request.measure, high)}"
    )
    return text[:1].upper() + text[1:]


def _pair(state: AnalysisState, request: Request, by: Grouping) -> str:
    """Return SQL of the figures by two groupings at once."""
    also = request.also_by
    if also is None:
        return ""
    measure = request.measure
    kept = request.where(f"{by.expression()} IS NOT NULL", f"{also.expression()} IS NOT NULL")
    return (
        f"SELECT {by.expression()} AS value, {also.expression()} AS also, count(*) AS n, "
        f"count({measure.of_row()}) AS filled, "
        f"{measure.expression()} AS figure\nFROM {state.table.source}{kept}\nGROUP BY 1, 2 ORDER BY 1, 2 LIMIT 200"
    )


def _pair_table(request: Request, by: Grouping, also: Grouping, text: str) -> str:
    rows = reading.rows(text)
    head = [label(by.label, by.column), label(also.label, also.column), "Rows", what(request.measure)]
    cells = [
        [
            shown(by.shown(row["value"])),
            shown(also.shown(row["also"])),
            row["n"],
            figure(reading.number(row["figure"]), request.measure),
        ]
        for row in rows[:60]
    ]
    return f"## By {head[0]} and {head[1]}\n\n" + table([each[:1].upper() + each[1:] for each in head], cells)


def _plain(text: str) -> str:
    return plain(without_markdown(text), 200)
