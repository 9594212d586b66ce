"""Extremes: the highest or lowest group, row or period; the first few; rows that match."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.answers.answer_parts import (
    FEW_ROWS,
    GroupRow,
    bars,
    behind,
    caveats,
    column_of,
    group_rows,
    group_table,
    grouped,
    has_numbers,
    lead,
    value_of,
)
from agents.runtimes.demo.replay import Reply, ScriptedTurn
from agents.runtimes.demo.request import Aggregate, Filter, Grouping, Measure, Request
from agents.runtimes.demo.steps import Answer, NoAnswer, ask_table
from agents.runtimes.demo.table_columns import Column
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
    without_markdown,
)

MORE_COLUMNS = 3
Words = Generator[ScriptedTurn, Reply, str]
MOST_SHOWN = 20


def answer(state: AnalysisState, request: Request) -> Answer:
    """Answer with the highest or lowest group or row."""
    if request.of_rows or request.by is None:
        return (yield from _of_rows(state, request))
    return (yield from _of_groups(state, request, request.by))


def _of_groups(state: AnalysisState, request: Request, by: Grouping) -> Answer:
    narration = f"Comparing all groups by {plain(by.label)}."
    queries = [grouped(state.table, request, by)]
    moment = other_months(by)
    if moment is not None:
        queries.append(grouped(state.table, request, moment, limit=3))
    latest = _latest(state, request, by)
    if latest is not None:
        queries.append(grouped(state.table, latest, by, limit=3))
    results = yield from ask_table(state, 3, "Comparing groups", narration, *queries)
    rows = group_rows(results[0].text, by)
    if not rows:
        raise NoAnswer(f"I stopped: no row of {state.table.file} has a value to measure there.")
    all_groups = reading.row_count(results[0].text)
    measure = request.measure
    sentences = [_headline(request, by, rows, all_groups)]
    sentences += _doubts(request, rows)
    if moment is not None and (single := group_rows(results[1].text, moment)):
        start = "The single month" if moment.grain == "month" else "Over all years, the month"
        sentences.append(
            f"{start} with the {_lead(request, single)} is {shown(single[0].value)}: {value_of(measure, single[0])}."
        )
    if latest is not None and (last := group_rows(results[-1].text, by)):
        when = latest.filters[-1].values[0]
        sentences.append(f"In the last year, {when}, it is {shown(last[0].value)}: {value_of(measure, last[0])}.")
    if request.also_by is not None:
        sentences.append((yield from _of_winner(state, request, by, results[0].text, request.also_by)))
    title = _plain_headline(request, by, rows)
    shown_rows = rows if by.grain not in ("day", "week") else rows[:MOST_SHOWN]
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=bars(title, measure, rows),
        sections=[group_table(measure, by, shown_rows, all_groups=all_groups)],
        method=f"compared {count_of(all_groups, 'group')} by {label(by.label, by.column)}, every one of them counted",
        caveats=caveats(
            state.table, request, counted=sum(row.filled for row in rows), rows=sum(row.rows for row in rows)
        ),
    )


def _latest(state: AnalysisState, request: Request, by: Grouping) -> Request | None:
    """Return the request for the last year alone, or None.

    It is used if each group has one row per year and is averaged.
    """
    time = state.table.time()
    if time is None or by.is_time or by.grain or time == by.column or request.measure.is_given:
        return None
    years = time.distinct if time.is_year else time.years
    is_panel = 0.8 * state.table.asked_rows <= years * by.column.distinct <= 1.25 * state.table.asked_rows
    if (
        request.measure.aggregate is not Aggregate.MEAN
        or not is_panel
        or any(f.column == time for f in request.filters)
    ):
        return None
    last = f"{float(time.high):.0f}" if time.is_year else time.high[:4]
    return replace(request, filters=[*request.filters, Filter(time, "=", (last,), "" if time.is_year else "year")])


def other_months(by: Grouping) -> Grouping | None:
    """Return calendar months in place of months of single years, and vice versa, if there are several years."""
    other = {"month of the year": "month", "month": "month of the year"}.get(by.grain)
    return Grouping(by.column, other) if other and by.column.months > 13 else None


def _lead(request: Request, rows: Sequence[GroupRow]) -> str:
    return lead(request.measure, rows, is_low=request.is_low)


def _headline(request: Request, by: Grouping, rows: Sequence[GroupRow], all_groups: int) -> str:
    """Return one sentence with the winner, its number and its lead."""
    measure, name = request.measure, label(by.label, by.column)
    if request.count > 1:
        return _headline_of_top(request, by, rows[: request.count])
    tied = [row for row in rows if math.isclose(row.figure, rows[0].figure, rel_tol=1e-12)]
    if len(tied) == len(rows) and len(rows) > 1:
        return f"All {len(rows)} groups by {name} have the same {_lead(request, rows)}: {value_of(measure, rows[0])}."
    best = rows[0]
    first = f"The {name} with the {_lead(request, rows)} is {shown(best.value)}: {value_of(measure, best)}"
    if len(tied) > 1:
        names = listed([shown(row.value) for row in tied[:5]])
        more = f" and {len(tied) - 5} more" if len(tied) > 5 else ""
        return f"{names}{more} share the {_lead(request, rows)} by {name}: {value_of(measure, best)}."
    first += _share_of_all(request, rows, all_groups) or behind(measure, best)
    if measure.is_inverse:
        wanted = "lowest" if not request.is_low else "highest"
        first = (
            f"The {name} with the {wanted} {measure.word or 'use'} is {shown(best.value)}, because its average "
            f"{code(_name(measure))} is the {'lowest' if request.is_low else 'highest'}: {value_of(measure, best)}"
            f"{behind(measure, best)}"
        )
    if len(rows) > 1:
        first += (
            f", {'before' if request.is_low else 'ahead of'} {shown(rows[1].value)} with {value_of(measure, rows[1])}"
        )
    return first + "."


def _share_of_all(request: Request, rows: Sequence[GroupRow], all_groups: int) -> str:
    if not request.measure.is_count or request.measure.aggregate is Aggregate.DISTINCT or len(rows) < all_groups:
        return ""
    whole = sum(row.figure for row in rows)
    return f" of {whole:,.0f} ({rows[0].figure / whole:.1%})" if whole else ""


def _headline_of_top(request: Request, by: Grouping, rows: Sequence[GroupRow]) -> str:
    names = listed([f"{shown(row.value)} ({value_of(request.measure, row)})" for row in rows])
    return f"The {len(rows)} by {label(by.label, by.column)} with the {_lead(request, rows)} are {names}."


def _doubts(request: Request, rows: Sequence[GroupRow]) -> list[str]:
    """Return caveats: a winner with very few rows, or another winner by total instead of average."""
    sentences = []
    measure, best = request.measure, rows[0]
    largest = max(row.filled for row in rows)
    if not measure.is_count and best.filled < FEW_ROWS <= largest:
        large = next((row for row in rows if row.filled >= FEW_ROWS), None)
        text = f"Only {count_of(best.filled, 'row')} {'stands' if best.filled == 1 else 'stand'} behind that"
        if large is not None:
            text += (
                f"; of the groups with {FEW_ROWS} rows or more it is {shown(large.value)}: {value_of(measure, large)}"
            )
        sentences.append(text + ".")
    swapped = {Aggregate.SUM: (Aggregate.MEAN, "mean"), Aggregate.MEAN: (Aggregate.SUM, "total")}
    if measure.is_given or measure.aggregate not in swapped or measure.is_inverse or request.count > 1:
        return sentences
    aggregate, attribute = swapped[measure.aggregate]
    pick = min if request.is_low else max
    other = pick(rows, key=lambda row: float(getattr(row, attribute)))
    if other.value != best.value:
        name = "average" if aggregate is Aggregate.MEAN else "total"
        value = figure(getattr(other, attribute), Measure(aggregate, measure.column))
        sentences.append(f"By the {name} it is {shown(other.value)}: {value}.")
    return sentences


def _of_winner(state: AnalysisState, request: Request, by: Grouping, text: str, also: Grouping) -> Words:
    """Answer the second part of the question: when or where the winner is highest."""
    winner = reading.rows(text)[0]["value"]
    it = f"{by.expression()} = {sql.literal(winner)}"
    query = grouped(state.table, request, also, where=[it], limit=5)
    narration = f"Looking at {plain(by.shown(winner))} by {plain(also.label)}."
    (result,) = yield from ask_table(state, 3, "Looking into the winner", narration, query)
    rows = group_rows(result.text, also)
    if not rows:
        return f"For {shown(by.shown(winner))} there is no value by {label(also.label, also.column)}."
    best = rows[0]
    return (
        f"Of {shown(by.shown(winner))} the {label(also.label, also.column)} with the {_lead(request, rows)} is "
        f"{shown(best.value)}: {value_of(request.measure, best)}{behind(request.measure, best)}."
    )


def _plain_headline(request: Request, by: Grouping, rows: Sequence[GroupRow]) -> str:
    text = without_markdown(
        f"{_lead(request, rows)} by {by.label}: {plain(rows[0].value)}, {value_of(request.measure, rows[0])}"
    )
    return text[:1].upper() + text[1:]


# ---- Single rows


def _of_rows(state: AnalysisState, request: Request) -> Answer:
    """Answer with the rows with the highest or lowest value of a column, or all rows that match."""
    column = request.measure.column
    if column is None or not has_numbers(request.measure):
        raise NoAnswer("I stopped: I cannot tell what the rows should be ordered by.")
    labels = _labels(state, column, request)
    value = sql.number(column)
    direction = "ASC" if request.is_low else "DESC"
    parts = [f"{sql.text(each)} AS {sql.name(each.name)}" for each in labels]
    query = (
        f"SELECT {', '.join([*parts, f'{value} AS _value'])}\nFROM "
        f"{state.table.source}{request.where(f'{value} IS NOT NULL')}\n"
        f"ORDER BY _value {direction}{''.join(f', {sql.name(each.name)}' for each in labels[:2])} LIMIT 200"
    )
    narration = f"Ordering the rows by {plain(column.name)}."
    (result,) = yield from ask_table(state, 3, "Ordering the rows", narration, query)
    rows = reading.rows(result.text)
    if not rows:
        raise NoAnswer(f"I stopped: no row of {state.table.file} fits, so there is nothing to show.")
    count = request.count if request.count > 1 else 1
    is_list = request.ask.name == "LIST"
    found = _count(rows, result.text)
    sentences = [
        _of_list(request, labels, rows, found, state.table.asked_rows)
        if is_list
        else _of_first(request, labels, rows, count)
    ]
    kept = rows[: max(count, MOST_SHOWN if is_list else 10)]
    title = _title_of_rows(request, labels, rows)
    return Finding(
        request=request,
        sentences=sentences,
        headline=title,
        chart=bars(title, Measure(Aggregate.HIGH, column), [_bar(row, labels) for row in kept]),
        sections=[_row_table(request, labels, kept, found)],
        method=f"ordered the rows by {code(column.name)}",
        caveats=caveats(state.table, request),
    )


def _labels(state: AnalysisState, column: Column, request: Request) -> list[Column]:
    """Return the columns that identify a row: its group or name, its time, and a few more."""
    found: list[Column] = []
    wanted = [request.by.column] if request.by is not None else []
    time = state.table.time()
    for each in [*wanted, *state.table.labels()[:2], *([time] if time else []), *state.table.asked]:
        if each not in found and each != column and not each.expression:
            found.append(each)
    least = len(wanted) + 2
    return found[: max(least, MORE_COLUMNS)]


def _count(rows: Sequence[Mapping[str, str]], text: str) -> int:
    return max(len(rows), reading.row_count(text))


def _of_first(request: Request, labels: Sequence[Column], rows: Sequence[Mapping[str, str]], count: int) -> str:
    column = column_of(request.measure)
    word = "lowest" if request.is_low else "highest"
    if count > 1:
        names = listed([f"{shown(_name_of(row, labels))} ({_exact(row, column)})" for row in rows[:count]])
        return f"The {min(count, len(rows))} rows with the {word} {code(column.name)} are {names}."
    tied = [row for row in rows if row["_value"] == rows[0]["_value"]]
    if len(tied) > 1:
        names = listed([shown(_name_of(row, labels)) for row in tied[:5]])
        more = f" and {len(tied) - 5} more" if len(tied) > 5 else ""
        return f"The {word} {code(column.name)} is {_exact(rows[0], column)}, of {len(tied)} rows: {names}{more}."
    return f"The {word} {code(column.name)} is {_exact(rows[0], column)}: {shown(_name_of(rows[0], labels))}."


def _of_list(
    request: Request, labels: Sequence[Column], rows: Sequence[Mapping[str, str]], found: int, all_rows: int
) -> str:
    column = column_of(request.measure)
    conditions = " and ".join(plain(each.words(), 120) for each in request.filters)
    names = listed([f"{shown(_name_of(row, labels))} ({_exact(row, column)})" for row in rows[:5]])
    more = ", first" if found > 5 else ""
    count = f"{found:,}" if found < 200 else "At least 200"
    return f"{count} of {all_rows:,} rows fit ({conditions}){more}: {names}."


def _exact(row: Mapping[str, str], column: Column) -> str:
    return amount(reading.number(row["_value"]), column, is_exact=True)


def _name_of(row: Mapping[str, str], labels: Sequence[Column]) -> str:
    """Return the first labels of a row: its name and its time."""
    words = [row[each.name] for each in labels[:3] if row[each.name] and (each.names_groups or each.is_time)]
    return " · ".join(words[:2]) or "a row without a name"


def _bar(row: Mapping[str, str], labels: Sequence[Column]) -> GroupRow:
    return GroupRow(_name_of(row, labels), 1, 1, reading.number(row["_value"]))


def _title_of_rows(request: Request, labels: Sequence[Column], rows: Sequence[Mapping[str, str]]) -> str:
    column = column_of(request.measure)
    word = "Lowest" if request.is_low else "Highest"
    return f"{word} {plain(column.name)}: {plain(_name_of(rows[0], labels))}, {_exact(rows[0], column)}"


def _row_table(request: Request, labels: Sequence[Column], rows: Sequence[Mapping[str, str]], found: int) -> str:
    column = column_of(request.measure)
    head = [*(code(each.name) for each in labels), code(column.name)]
    cells = [[*(shown(row[each.name]) for each in labels), _exact(row, column)] for row in rows]
    text = "## The rows\n\n" + table(head, cells)
    return text + (f"\n\nThe first {len(rows)} of {found:,}." if found > len(rows) else "")


def _name(measure: Measure) -> str:
    return measure.column.name if measure.column is not None else ""
