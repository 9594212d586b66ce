"""Growth: the group, or the period, that grew or fell most."""

# ruff: noqa: S608

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import (
    GroupRow,
    bars,
    caveats,
    group_rows,
    group_table,
    grouped,
    value_of,
)
from agents.runtimes.demo.answers.trends import figure_of, grain_of, percent_of
from agents.runtimes.demo.request import Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.wording import (
    count_of,
    figure,
    label,
    percent,
    plain,
    shown,
    table,
    what,
    without_markdown,
)


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with the group that changed most between its first and its last period."""
    time = state.table.time()
    if time is None:
        raise NoAnswer(f"I stopped: {state.table.file} has no column of dates or years to see growth by.")
    by = Grouping(time, grain_of(time, request))
    measure = request.measure
    if request.by is None or request.by.column == time:
        return (
            yield from _steps(
                state, request, by if request.by is None else Grouping(time, request.by.grain or by.grain)
            )
        )
    kept = request.where(f"{by.expression()} IS NOT NULL", f"{request.by.expression()} IS NOT NULL")
    direction = "ASC" if request.is_low else "DESC"
    order = "relative" if request.is_relative else "change"
    query = (
        f"WITH _all AS (SELECT {request.by.expression()} AS value, {by.expression()} AS moment, "
        f"{measure.expression()} AS figure "
        f"FROM {state.table.source}{kept} GROUP BY 1, 2),\n"
        "_ends AS (SELECT value, min(moment) AS first_at, max(moment) AS last_at, arg_min(figure, moment) AS first, "
        "arg_max(figure, moment) AS last FROM _all WHERE figure IS NOT NULL GROUP BY 1)\n"
        "SELECT *, last - first AS change, (last - first) / nullif(abs(first), 0) AS relative FROM _ends\n"
        f"WHERE first_at < last_at ORDER BY {order} {direction}, value LIMIT 200"
    )
    narration = f"Comparing the first and the last {plain(by.label)} of each group."
    (result,) = yield from ask_table(state, 3, "Comparing the ends", narration, query)
    rows = reading.rows(result.text)
    if not rows:
        raise NoAnswer("I stopped: no group has values in two periods, so none can have grown.")
    return _growth_finding(state, request, request.by, by, rows)


def _growth_finding(
    state: AnalysisState, request: Request, by: Grouping, time: Grouping, rows: Sequence[Mapping[str, str]]
) -> Finding:
    measure = request.measure
    best = rows[0]
    pick = min if request.is_low else max
    other = "change" if request.is_relative else "relative"
    swapped = pick((row for row in rows if row[other]), key=lambda row: reading.number(row[other]), default=None)
    verb = "fell" if request.is_low else "grew"
    sentences = [
        f"The {label(by.label, by.column)} that {verb} most in {what(measure)} is "
        f"{shown(by.shown(best['value']))}: from "
        f"{figure(reading.number(best['first']), request.measure)} ({shown(time.shown(best['first_at']))}) to "
        f"{figure(reading.number(best['last']), request.measure)} ({shown(time.shown(best['last_at']))}), "
        f"{_change(best, measure)}."
    ]
    if swapped is not None and swapped["value"] != best["value"]:
        start = "In absolute terms" if request.is_relative else "In percent"
        sentences.append(f"{start} it is {shown(by.shown(swapped['value']))}: {_change(swapped, measure)}.")
    title = without_markdown(f"{verb.capitalize()} most: {plain(by.shown(best['value']))}, {_change(best, measure)}")
    name = label(by.label, by.column)
    cells = [
        [
            shown(by.shown(row["value"])),
            figure(reading.number(row["first"]), request.measure),
            figure(reading.number(row["last"]), request.measure),
            figure(reading.number(row["change"]), measure),
            percent(reading.number(row["relative"])) if row["relative"] else "",
        ]
        for row in rows[:60]
    ]
    shown_rows = [GroupRow(by.shown(row["value"]), 1, 2, reading.number(row["change"])) for row in rows[:20]]
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=bars(title, measure, shown_rows),
        sections=[f"## By {name}\n\n" + table((name, "First", "Last", "Change", "In percent"), cells)],
        method=f"compared the first and the last {time.label} of {count_of(len(rows), 'group')}",
        caveats=caveats(state.table, request),
    )


def _change(row: Mapping[str, str], measure: Measure) -> str:
    change = reading.number(row["change"])
    relative = f" ({reading.number(row['relative']):+.1%})" if row["relative"] else ""
    return f"{'+' if change > 0 else ''}{figure_of(change, measure)}{relative}"


def _steps(state: AnalysisState, request: Request, by: Grouping) -> Answer:
    """Answer with the period in which the number rose or fell most against the previous one."""
    query = grouped(state.table, request, by, order="value")
    narration = f"Comparing each {plain(by.label)} with the one before."
    (result,) = yield from ask_table(state, 3, "Comparing periods", narration, query)
    rows = group_rows(result.text, by)
    if len(rows) < 2:
        raise NoAnswer("I stopped: there is only one period with values, so nothing can change.")
    steps = [
        GroupRow(after.value, after.rows, after.filled, after.figure - before.figure)
        for before, after in itertools.pairwise(rows)
    ]
    best = min(steps, key=lambda row: row.figure) if request.is_low else max(steps, key=lambda row: row.figure)
    at = steps.index(best)
    measure = request.measure
    verb = "fell" if request.is_low else "rose"
    sentence = (
        f"The {what(measure)} {verb} most in {shown(best.value)}: from {value_of(measure, rows[at])} to "
        f"{value_of(measure, rows[at + 1])}, "
        f"{figure_of(best.figure, measure)}{percent_of(rows[at].figure, rows[at + 1].figure)}."
    )
    title = without_markdown(sentence)[:160]
    return Finding(
        request=request,
        sentences=[sentence],
        headline=title,
        chart=bars(title, measure, rows, is_time=True),
        sections=[group_table(measure, by, rows, all_groups=len(rows))],
        method=f"compared each {by.label} with the one before",
        caveats=caveats(state.table, request),
    )
