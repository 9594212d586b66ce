"""Overviews of a table, and its missing values."""

# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Sequence

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import GroupRow, bars
from agents.runtimes.demo.request import Aggregate, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, ask_table
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.wording import code, count_of, listed, one_line, percent, plain, shown, table

COLUMNS_AT_ONCE = 60
MOST_LISTED = 100


def missing(state: AnalysisState, request: Request) -> Answer:
    """Answer with the number of missing values per column; marks such as N/A count as missing."""
    only = request.measure.column
    columns = [only] if only is not None else [each for each in state.table.columns if not each.expression]
    chunks = [columns[at : at + COLUMNS_AT_ONCE] for at in range(0, len(columns), COLUMNS_AT_ONCE)]
    source = state.table.source if only is not None and only not in state.table.columns else sql.name(state.table.name)
    queries = [_gaps(source, chunk) for chunk in chunks]
    results = yield from ask_table(state, 3, "Counting gaps", "Counting the missing values of every column.", *queries)
    found: list[tuple[Column, int]] = []
    for chunk, result in zip(chunks, results, strict=True):
        counts = {int(row["nr"]): int(reading.number(row["missing"])) for row in reading.rows(result.text)}
        found += [(column, counts[at]) for at, column in enumerate(chunk)]
    rows = state.table.rows
    gaps = sorted([(column, count) for column, count in found if count], key=lambda each: -each[1])
    sentence = _of_gaps(state, gaps, found, rows, only)
    cells = [
        (
            code(column.name),
            f"{count:,}",
            percent(count / rows),
            f"{column.marked_missing:,}" if column.marked_missing else "",
        )
        for column, count in (gaps or found)[:MOST_LISTED]
    ]
    head = ("Column", "Missing", "Share", "of them written as N/A, - and the like")
    worst = f", most in {plain(gaps[0][0].name)}: {gaps[0][1]:,} of {rows:,}" if gaps else ""
    title = f"{count_of(sum(count for _, count in gaps), 'value')} missing{worst}"
    bars_of = [GroupRow(column.name, rows, rows, count) for column, count in gaps]
    return Finding(
        request=request,
        sentences=[sentence],
        headline=title,
        chart=bars(title, Measure(Aggregate.ROWS), bars_of),
        sections=["## Missing values\n\n" + table(head, cells)],
        method=f"counted the empty cells of {count_of(len(columns), 'column')}, and texts such as N/A as empty",
    )


def _gaps(source: str, columns: Sequence[Column]) -> str:
    parts = [
        f"SELECT {at} AS nr, count(*) FILTER ({sql.is_missing(column)}) AS missing FROM {source}"
        for at, column in enumerate(columns)
    ]
    return "\nUNION ALL ".join(parts) + "\nORDER BY nr"


def _of_gaps(
    state: AnalysisState,
    gaps: Sequence[tuple[Column, int]],
    found: Sequence[tuple[Column, int]],
    rows: int,
    only: Column | None,
) -> str:
    if only is not None:
        count = found[0][1]
        return f"{count:,} of {count_of(rows, 'row')} have no {code(only.name)} ({percent(count / rows)})."
    if not gaps:
        return (
            f"No value is missing: all {count_of(len(found), 'column')} of {one_line(state.table.file)} are "
            f"filled in all {count_of(rows, 'row')}."
        )
    names = listed([f"{code(column.name)} {count:,} ({percent(count / rows)})" for column, count in gaps[:5]])
    more = f" and {len(gaps) - 5} more" if len(gaps) > 5 else ""
    verb = "has" if len(gaps) == 1 else "have"
    return (
        f"{len(gaps)} of {count_of(len(found), 'column')} {verb} missing values: {names}{more}; "
        f"{count_of(rows, 'row')} in all."
    )


def overview(state: AnalysisState, request: Request) -> Answer:
    """Answer with the rows, the columns and their ranges, and the largest groups."""
    groups = [column for column in state.table.asked if column.kind is Kind.CATEGORY and not column.is_number][:6]
    rows = state.table.rows
    sentences = [
        f"{one_line(state.table.file)} has {count_of(rows, 'row')} and {count_of(len(state.table.columns), 'column')}."
    ]
    sections = [_columns(state)]
    chart = None
    if groups:
        queries = [_largest(state, column) for column in groups]
        narration = "Counting the largest groups."
        results = yield from ask_table(state, 3, "Counting groups", narration, *queries)
        for column, result in zip(groups, results, strict=True):
            found = reading.rows(result.text)
            if not found:
                continue
            count = reading.number(found[0]["n"])
            sentences.append(
                f"The largest group by {code(column.name)} is {shown(found[0]['value'])}: {count:,.0f} "
                f"({percent(count / rows)})."
            )
            bars_of = [GroupRow(row["value"], 1, 2, reading.number(row["n"])) for row in found]
            chart = chart or bars(f"Rows by {plain(column.name)}", Measure(Aggregate.ROWS), bars_of)
    time = state.table.time()
    if time is not None:
        sentences.append(f"{code(time.name)} goes from {shown(Grouping(time).shown(time.low))} to {shown(time.high)}.")
    return Finding(
        request=request,
        sentences=sentences[:4],
        headline=f"{plain(state.table.file)}: {count_of(rows, 'row')}, {count_of(len(state.table.columns), 'column')}",
        title=f"What is in {one_line(state.table.file)}",
        chart=chart,
        sections=sections,
        method="counted the values of every column",
    )


def _largest(state: AnalysisState, column: Column) -> str:
    return (
        f"SELECT {sql.group(column)} AS value, count(*) AS n FROM {state.table.source} GROUP BY 1 ORDER BY n "
        "DESC, value LIMIT 12"
    )


def _columns(state: AnalysisState) -> str:
    cells = [
        (
            code(column.name),
            column.kind.value,
            f"{column.filled:,}",
            f"{column.distinct:,}",
            shown(column.low),
            shown(column.high),
        )
        for column in state.table.columns[:MOST_LISTED]
    ]
    text = "## The columns\n\n" + table(("Column", "Kind", "Filled", "Different", "Lowest", "Highest"), cells)
    more = len(state.table.columns) - MOST_LISTED
    return text + (f"\n\nAnd {more} more columns." if more > 0 else "")
