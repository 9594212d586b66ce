"""Relations between two columns."""

# ruff: noqa: S608

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import GroupRow, bars, caveats, group_table
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import MOST_NUMBERS, Column, Kind
from agents.runtimes.demo.wording import code, count_of, figure, percent, plain, shown, table, what, without_markdown

POINTS = 800
STRENGTHS = ((0.1, "hardly"), (0.3, "weakly"), (0.6, "clearly"), (1.01, "strongly"))
"""Words for a correlation, each with its upper bound."""


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer how the second column (`measure`) depends on the first (`other`)."""
    cause = request.other.column if request.other else None
    effect = request.measure.column
    if cause is None or effect is None or cause == effect:
        raise NoAnswer("I stopped: I cannot tell which two columns are meant.")
    if effect.can_be_measured:
        return (yield from _numbers(state, request, cause, effect))
    return (yield from _categories(state, request, cause, effect))


def strength(correlation: float) -> str:
    """Return the word for a correlation."""
    return next(word for most, word in STRENGTHS if abs(correlation) < most)


def _numbers(state: AnalysisState, request: Request, cause: Column, effect: Column) -> Answer:
    """Relate a number or a flag to another column."""
    value = sql.measured(effect)
    by = _by(cause)
    kept = request.where(f"{value} IS NOT NULL", f"{sql.reference(cause)} IS NOT NULL")
    queries = [_groups(state, cause, value, kept)]
    is_ordered = cause.can_be_measured
    if is_ordered:
        queries.append(_correlation(state, sql.measured(cause), value, kept))
    narration = f"Looking at how {code(effect.name)} goes with {code(cause.name)}."
    results = yield from ask_table(state, 3, "Looking at the relation", narration, *queries)
    measure = Measure(Aggregate.SHARE if effect.kind is Kind.FLAG else Aggregate.MEAN, effect)
    rows = [
        GroupRow(
            by.shown(row["value"]),
            int(reading.number(row["n"])),
            int(reading.number(row["n"])),
            reading.number(row["mean"]),
            reading.number(row["mean"]),
            reading.number(row["total"]),
        )
        for row in reading.rows(results[0].text)
    ]
    if len(rows) < 2:
        raise NoAnswer(f"I stopped: {code(cause.name)} has only one value where {code(effect.name)} is filled.")
    if is_ordered:
        sentences, headline, sections = _of_correlation(measure, cause, effect, rows, results[1].text)
    else:
        sentences, headline, sections = _of_differences(measure, cause, rows, results[0].text), "", []
        headline = without_markdown(sentences[0])[:150]
    return Finding(
        request=request,
        sentences=sentences,
        headline=headline,
        chart=_chart(state, request, headline, cause, effect, measure, rows),
        sections=[*sections, group_table(measure, by, rows, all_groups=len(rows))],
        method=f"compared {code(effect.name)} over the values of {code(cause.name)} in the rows that have both",
        caveats=[
            "That two columns go together does not say that one causes the other.",
            *caveats(state.table, request),
        ],
    )


def _by(cause: Column) -> Grouping:
    return Grouping(cause, "year" if cause.kind is Kind.DATE else "")


def _groups(state: AnalysisState, cause: Column, value: str, kept: str) -> str:
    """Return SQL for the average by each value or quartile of the first column, and the explained variance."""
    group = _by(cause).expression() if cause.kind is Kind.DATE else sql.group(cause)
    order = f"min({sql.number(cause)})" if cause.is_number else "value"
    return (
        f"WITH _all AS (SELECT {group} AS value, {value} AS v, {sql.number(cause) if cause.is_number else '0'} AS x "
        f"FROM {state.table.source}{kept}),\n"
        "_whole AS (SELECT avg(v) AS mean, var_pop(v) AS variance, count(*) AS n FROM _all),\n"
        "_groups AS (SELECT value, count(*) AS n, avg(v) AS mean, sum(v) AS total, min(x) AS x FROM _all GROUP BY 1)\n"
        "SELECT g.value, g.n, g.mean, g.total,\n"
        "  (SELECT sum(g2.n * (g2.mean - w2.mean) ** 2) / nullif(any_value(w2.n * w2.variance), 0) FROM "
        "_groups g2, _whole w2) AS explained\n"
        f"FROM _groups g ORDER BY {'g.x' if order != 'value' else 'g.value'} LIMIT 60"
    )


def _correlation(state: AnalysisState, first: str, second: str, kept: str) -> str:
    """Return SQL for Pearson's and Spearman's correlation and the slope; tied ranks share their mean."""
    return (
        f"WITH _all AS (SELECT {first} AS x, {second} AS y FROM {state.table.source}{kept}),\n"
        "_ranked AS (SELECT x, y, rank() OVER (ORDER BY x) + (count(*) OVER (PARTITION BY x) - 1) / 2.0 AS rx, "
        "rank() OVER (ORDER BY y) + (count(*) OVER (PARTITION BY y) - 1) / 2.0 AS ry FROM _all)\n"
        "SELECT count(*) AS n, corr(x, y) AS pearson, corr(rx, ry) AS spearman, regr_slope(y, x) AS slope FROM _ranked"
    )


def _of_correlation(
    measure: Measure, cause: Column, effect: Column, rows: Sequence[GroupRow], text: str
) -> tuple[list[str], str, list[str]]:
    (row,) = reading.rows(text)
    pearson, spearman = (reading.number(row[key]) for key in ("pearson", "spearman"))
    count, slope = int(reading.number(row["n"])), reading.number(row["slope"])
    if not math.isfinite(pearson) or row["pearson"] == "":
        raise NoAnswer(f"I stopped: {code(cause.name)} or {code(effect.name)} is the same in every row.")
    direction = "the more of one, the more of the other" if pearson > 0 else "the more of one, the less of the other"
    word = strength(pearson)
    first = (
        f"{code(cause.name)} and {code(effect.name)} go together {word}: their correlation is {pearson:.2f} "
        f"over {count_of(count, 'row')}" + (f" ({direction})." if word != "hardly" else ".")
    )
    low, high = rows[0], rows[-1]
    second = (
        f"The {what(measure)} goes from {figure(low.figure, measure)} where {code(cause.name)} is "
        f"{shown(low.value)} to "
        f"{figure(high.figure, measure)} where it is {shown(high.value)}."
    )
    sentences = [first, second]
    if abs(abs(spearman) - abs(pearson)) > 0.15:
        sentences.append(f"By ranks the correlation is {spearman:.2f}, so the relation is not a straight line.")
    section = "## The correlation\n\n" + table(
        ("", ""),
        [
            ("Rows with both", f"{count:,}"),
            ("Correlation (Pearson)", f"{pearson:.3f}"),
            ("Correlation of ranks (Spearman)", f"{spearman:.3f}"),
            (f"{code(effect.name)} for one more of {code(cause.name)}", f"{slope:.4g}"),
        ],
    )
    return (
        sentences,
        f"{plain(cause.name)} and {plain(effect.name)} go together {word}: correlation {pearson:.2f}",
        [section],
    )


def _of_differences(measure: Measure, cause: Column, rows: Sequence[GroupRow], text: str) -> list[str]:
    explained = max(0.0, reading.number(reading.rows(text)[0]["explained"]))
    high, low = max(rows, key=lambda row: row.figure), min(rows, key=lambda row: row.figure)
    return [
        f"The {what(measure)} differs by {code(cause.name)}: it is highest for {shown(high.value)} "
        f"({figure(high.figure, measure)}, "
        f"{count_of(high.rows, 'row')}) and lowest for {shown(low.value)} ({figure(low.figure, measure)}, "
        f"{count_of(low.rows, 'row')}); "
        f"{code(cause.name)} explains {percent(explained)} of its variance."
    ]


def _chart(
    state: AnalysisState,
    request: Request,
    title: str,
    cause: Column,
    effect: Column,
    measure: Measure,
    rows: Sequence[GroupRow],
) -> Mapping[str, Any] | None:
    """Return the arguments of a chart: points for two numbers with many values, bars otherwise."""
    both = cause.can_be_measured and effect.kind is Kind.NUMBER and cause.kind is Kind.NUMBER
    if not both or min(cause.distinct, effect.distinct) <= MOST_NUMBERS:
        return bars(title, measure, rows)
    x, y = sql.number(cause), sql.number(effect)
    query = (
        f"SELECT x, y FROM (SELECT {x} AS x, {y} AS y, row_number() OVER () AS place, count(*) OVER () AS n "
        f"FROM {state.table.source}{request.where(f'{x} IS NOT NULL', f'{y} IS NOT NULL')})\n"
        f"WHERE place % greatest(1, n // {POINTS}) = 0"
    )
    return {
        "kind": "scatter",
        "title": title[:160],
        "sql": query,
        "x": "x",
        "y": "y",
        "x_label": plain(cause.name),
        "y_label": plain(effect.name),
    }


def _categories(state: AnalysisState, request: Request, cause: Column, effect: Column) -> Answer:
    """Relate two grouping columns: counts of their combinations, and Cramér's V."""
    first, second = sql.group(cause), sql.group(effect)
    query = (
        f"WITH _all AS (SELECT {first} AS a, {second} AS b, count(*) AS n FROM "
        f"{state.table.source}{request.where()} GROUP BY 1, 2),\n"
        "_n AS (SELECT sum(n) AS n, count(DISTINCT a) AS rows, count(DISTINCT b) AS columns FROM _all),\n"
        "_expected AS (SELECT x.a, y.b, x.n * y.n / _n.n AS expected FROM (SELECT a, sum(n) AS n FROM _all "
        "GROUP BY a) x, "
        "(SELECT b, sum(n) AS n FROM _all GROUP BY b) y, _n),\n"
        "_chi AS (SELECT sum((coalesce(_all.n, 0) - expected) ** 2 / expected) AS chi FROM _expected LEFT "
        "JOIN _all USING (a, b))\n"
        "SELECT a, b, _all.n, sqrt(chi / (_n.n * nullif(least(_n.rows, _n.columns) - 1, 0))) AS v, "
        "_all.n / sum(_all.n) OVER (PARTITION BY a) AS share, _n.n AS whole\n"
        "FROM _all, _n, _chi ORDER BY _all.n DESC, a, b LIMIT 200"
    )
    narration = f"Counting how often the values of {code(cause.name)} and {code(effect.name)} meet."
    (result,) = yield from ask_table(state, 3, "Looking at the relation", narration, query)
    rows = reading.rows(result.text)
    if not rows or not rows[0]["v"]:
        raise NoAnswer(f"I stopped: {code(cause.name)} or {code(effect.name)} is the same in every row.")
    v = reading.number(rows[0]["v"])
    top = max(rows, key=lambda row: reading.number(row["share"]) * math.log1p(reading.number(row["n"])))
    sentence = (
        f"{code(cause.name)} and {code(effect.name)} go together {strength(v)}: Cramér's V is {v:.2f} over "
        f"{count_of(reading.number(rows[0]['whole']), 'row')}; {percent(reading.number(top['share']))} of the "
        "rows with "
        f"{code(cause.name)} {shown(top['a'])} have {code(effect.name)} {shown(top['b'])}."
    )
    cells = [(shown(row["a"]), shown(row["b"]), row["n"], percent(reading.number(row["share"]))) for row in rows[:40]]
    head = (code(cause.name), code(effect.name), "Rows", f"Share of {code(cause.name)}")
    pairs = [GroupRow(f"{row['a']} · {row['b']}", 1, 2, reading.number(row["n"])) for row in rows[:20]]
    title = f"{plain(cause.name)} and {plain(effect.name)} go together {strength(v)}: Cramér's V {v:.2f}"
    return Finding(
        request=request,
        sentences=[sentence],
        headline=title,
        chart=bars(title, Measure(Aggregate.ROWS), pairs),
        sections=["## How often they meet\n\n" + table(head, cells)],
        method=f"counted each pair of {code(cause.name)} and {code(effect.name)}",
        caveats=[
            "That two columns go together does not say that one causes the other.",
            *caveats(state.table, request),
        ],
    )
