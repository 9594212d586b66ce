"""Comparison of a period with the previous one."""

# ruff: noqa: S608

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import (
    GroupRow,
    bars,
    caveats,
)
from agents.runtimes.demo.request import Aggregate, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import Column, Kind, measures
from agents.runtimes.demo.wording import (
    code,
    count_of,
    figure,
    shown,
    table,
    what,
    without_markdown,
)

MOST_FACTORS = 12
MEAN = ": mean"
DAY = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b")


def answer(state: AnalysisState, request: Request) -> Answer:
    """Compare the last period with the previous one: rows, numbers, and the groups that caused the change."""
    time = next((column for column in state.table.asked if column.kind is Kind.DATE), None)
    if time is None:
        raise NoAnswer(f"I stopped: {state.table.file} has no column of dates to cut periods from.")
    end = DAY.search(state.question)
    until = (
        f"DATE {sql.literal(end.group(1))}"
        if end
        else f"(SELECT CAST(max({sql.date(time)}) AS DATE) FROM {state.table.source})"
    )
    step = {"day": "1 DAY", "week": "7 DAY", "month": "1 MONTH", "quarter": "3 MONTH", "year": "1 YEAR"}[request.grain]
    day = f"CAST({sql.date(time)} AS DATE)"
    begin = f"{until} + INTERVAL 1 DAY - INTERVAL {step}"
    period = (
        f"CASE WHEN {day} > {until} OR {day} < {begin} - INTERVAL {step} THEN NULL "
        f"WHEN {day} >= {begin} THEN 'after' ELSE 'before' END"
    )
    chosen = request.measure.column
    numbers = [chosen] if chosen is not None else measures(state.table.asked)[:8]
    factors = [c for c in state.table.asked if c.kind in (Kind.CATEGORY, Kind.FLAG) and c.can_group][:MOST_FACTORS]
    narration = f"Comparing the last {request.grain} with the one before."
    queries = [_period_totals(state, period, numbers, day)]
    if factors:
        queries.append(_period_groups(state, period, factors, chosen))
    results = yield from ask_table(state, 3, "Comparing periods", narration, *queries)
    rows = {row["period"]: row for row in reading.rows(results[0].text)}
    if set(rows) != {"after", "before"}:
        raise NoAnswer(
            f"I stopped: the last {request.grain} or the one before it has no rows in {state.table.file}; "
            f"its dates go from {time.low} to {time.high}."
        )
    groups = reading.rows(results[1].text) if factors else []
    return _period_finding(state, request, rows, numbers, groups)


def _period_totals(state: AnalysisState, period: str, numbers: Sequence[Column], day: str) -> str:
    parts = [f"avg({sql.measured(column)}) AS {sql.name(column.name + MEAN)}" for column in numbers]
    listed_parts = "".join(f", {part}" for part in parts)
    return (
        f"SELECT {period} AS period, count(*) AS n, min({day}) AS first, max({day}) AS last{listed_parts}\n"
        f"FROM {state.table.source} GROUP BY 1 HAVING period IS NOT NULL"
    )


def _period_groups(state: AnalysisState, period: str, factors: Sequence[Column], chosen: Column | None) -> str:
    """Return SQL for the groups whose rows, or whose total, changed most."""
    size = f"coalesce(sum({sql.measured(chosen)}), 0)" if chosen is not None else "count(*)"
    parts = [
        f"SELECT {sql.literal(column.name)} AS factor, {sql.group(column)} AS value, {period} AS period, {size} AS n "
        f"FROM {state.table.source} GROUP BY ALL"
        for column in factors
    ]
    union = "\nUNION ALL ".join(parts)
    return (
        f"WITH _all AS ({union}),\n"
        "_both AS (SELECT factor, value, coalesce(sum(n) FILTER (period = 'before'), 0) AS before, "
        "coalesce(sum(n) FILTER (period = 'after'), 0) AS after FROM _all WHERE period IS NOT NULL GROUP BY ALL)\n"
        "SELECT *, after - before AS change FROM _both ORDER BY abs(after - before) DESC, factor, value LIMIT 15"
    )


def _period_finding(
    state: AnalysisState,
    request: Request,
    rows: Mapping[str, Mapping[str, str]],
    numbers: Sequence[Column],
    groups: Sequence[Mapping[str, str]],
) -> Finding:
    after, before = rows["after"], rows["before"]
    counts = [reading.number(before["n"]), reading.number(after["n"])]
    change = f"{(counts[1] - counts[0]) / counts[0]:+.1%}"
    spans = f"{after['first']} to {after['last']} against {before['first']} to {before['last']}"
    sentence = (
        f"The last {request.grain} has {count_of(counts[1], 'row')} and the one before {counts[0]:,.0f}, {change}"
    )
    sentence += f" ({spans})."
    cells, most = _moved(before, after, numbers)
    sentences = [sentence, *([f"What changed most: {most}."] if most else []), *_top_group(request, groups)]
    head = ("Figure", f"The {request.grain} before", f"The last {request.grain}", "Change")
    first = ["Rows", f"{counts[0]:,.0f}", f"{counts[1]:,.0f}", change]
    bars_of = [GroupRow(f"{row['factor']}: {row['value']}", 1, 2, reading.number(row["change"])) for row in groups[:12]]
    return Finding(
        request=request,
        sentences=sentences,
        headline=without_markdown(sentence)[:150],
        chart=bars(f"Change of groups in the last {request.grain}", Measure(Aggregate.ROWS), bars_of),
        sections=["## Before and after\n\n" + table(head, [first, *cells]), *_group_section(groups)],
        method=f"cut the rows into the last {request.grain} and the one before by their dates",
        caveats=caveats(state.table, request),
    )


def _moved(
    before: Mapping[str, str], after: Mapping[str, str], numbers: Sequence[Column]
) -> tuple[list[list[str]], str]:
    """Return table cells of the averages before and after, and a sentence on the largest change."""
    cells, moved = [], [(0.0, "")]
    for column in numbers:
        old, new = (reading.maybe_number(row[column.name + MEAN]) for row in (before, after))
        if old is None or new is None:
            continue
        measure = Measure(Aggregate.SHARE if column.kind is Kind.FLAG else Aggregate.MEAN, column)
        shown_old, shown_new = figure(old, measure), figure(new, measure)
        share = abs((new - old) / old) if old else 0.0
        cells.append([what(measure), shown_old, shown_new, f"{(new - old) / abs(old):+.1%}" if old else ""])
        moved.append((share, f"the {what(measure)} went from {shown_old} to {shown_new}"))
    return cells, max(moved)[1]


def _top_group(request: Request, groups: Sequence[Mapping[str, str]]) -> list[str]:
    if not groups:
        return []
    top = groups[0]
    column = request.measure.column
    of = f" in total {code(column.name)}" if column is not None else " rows"
    return [
        f"The group that changed most is {code(top['factor'])} {shown(top['value'])}: "
        f"{reading.number(top['before']):,.0f} to {reading.number(top['after']):,.0f}{of}."
    ]


def _group_section(groups: Sequence[Mapping[str, str]]) -> list[str]:
    if not groups:
        return []
    lines = [
        (
            code(row["factor"]),
            shown(row["value"]),
            f"{reading.number(row['before']):,.0f}",
            f"{reading.number(row['after']):,.0f}",
            f"{reading.number(row['change']):+,.0f}",
        )
        for row in groups
    ]
    return ["## Groups that changed most\n\n" + table(("Column", "Group", "Before", "After", "Change"), lines)]
