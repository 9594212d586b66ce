"""Columns that distinguish the values of a category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers import driver_queries as queries
from agents.runtimes.demo.answers.answer_parts import GroupRow, bars
from agents.runtimes.demo.request import Aggregate, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.wording import amount, code, count_of, one_line, percent, plain, shown, table


def classes(state: AnalysisState, request: Request, target: Column) -> Answer:
    """Rank numbers by the share of their variance between the classes, groups by Cramér's V squared."""
    others = [column for column in state.table.asked if column != target and column.can_group]
    numbers = [column for column in others if column.kind is Kind.NUMBER and column.can_be_measured]
    groups = [column for column in others if column not in numbers and column.kind is not Kind.DATE]
    if not numbers and not groups:
        raise NoAnswer(f"I stopped: {state.table.file} has nothing to compare {target.name} with.")
    source = state.table.source
    sql = [queries.numbers_by_class(source, request, target, chunk) for chunk in queries.chunks(numbers)]
    sql += [queries.classes_by_group(source, request, target, chunk) for chunk in queries.chunks(groups)]
    narration = f"Looking for the columns that tell the values of {code(target.name)} apart."
    results = yield from ask_table(state, 3, "Comparing groups", narration, *sql)
    rows = [row for result in results for row in reading.rows(result.text)]
    ranked = sorted(rows, key=lambda row: (-_effect(row, target), row["factor"]))
    if not ranked:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has a value of {target.name} to compare.")
    return _finding(state, request, target, ranked)


def _effect(row: Mapping[str, str], target: Column) -> float:
    """Return the effect, corrected for the number of classes or groups."""
    rows, count = reading.number(row["rows"]), reading.number(row["groups"])
    explained = reading.number(row["explained"])
    if "high" in row:
        return 1 - (1 - explained) * (rows - 1) / (rows - count) if rows > count else 0.0
    expected = (count - 1) * (target.distinct - 1) / max(1.0, rows - 1) / max(1, min(count, target.distinct) - 1)
    return max(0.0, explained - expected)


def _finding(state: AnalysisState, request: Request, target: Column, ranked: Sequence[Mapping[str, str]]) -> Finding:
    best = ranked[0]
    name = code(best["factor"])
    sentence = f"{name} tells the values of {code(target.name)} apart best: "
    if "high" in best:
        column = state.table.column(best["factor"])
        high, low = (amount(reading.number(best[key]), column) for key in ("high_mean", "low_mean"))
        sentence += (
            f"on average it is {high} for {shown(best['high'])} and {low} for {shown(best['low'])}, and "
            f"{percent(max(0.0, _effect(best, target)))} of its variance lies between them."
        )
    else:
        sentence += f"Cramér's V squared is {max(0.0, _effect(best, target)):.2f}."
    cells = [(code(row["factor"]), percent(max(0.0, _effect(row, target))), *_ends(state, row)) for row in ranked[:12]]
    title = f"{state.table.file}: {plain(best['factor'])} tells {plain(target.name)} apart best"
    effects = [GroupRow(row["factor"], 1, 2, 100 * max(0.0, _effect(row, target))) for row in ranked[:15]]
    chart = bars(title, Measure(Aggregate.ROWS), effects)
    if chart is not None:
        chart = {**chart, "series": [{**chart["series"][0], "name": "Explained (%)"}], "y_label": "Explained (%)"}
    return Finding(
        request=request,
        sentences=[sentence],
        headline=title,
        title=f"What drives {one_line(target.name)} in {one_line(state.table.file)}",
        measured=f"how well each column tells the values of {code(target.name)} apart",
        chart=chart,
        sections=["## Which columns matter\n\n" + table(("Column", "Explains", "Highest for", "Lowest for"), cells)],
        method=(
            f"compared {count_of(len(ranked), 'column')}. “Explains” is, for numbers, the share of their "
            "variance between the values of "
            f"{code(target.name)}, and for groups Cramér's V squared, both corrected for the number of groups"
        ),
        caveats=["A difference between groups is not yet its cause."],
    )


def _ends(state: AnalysisState, row: Mapping[str, str]) -> tuple[str, str]:
    if "high" not in row:
        return "", ""
    column = state.table.column(row["factor"])
    return (
        f"{shown(row['high'])} ({amount(reading.number(row['high_mean']), column)})",
        f"{shown(row['low'])} ({amount(reading.number(row['low_mean']), column)})",
    )
