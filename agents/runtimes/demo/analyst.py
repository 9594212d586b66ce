"""The demo analyst: profiles a table, finds which columns a measure differs by, charts it and writes it up.

It follows one script whatever the file holds, but takes every decision from what its tools answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.runtimes.demo import delivery, queries, questions, reading, revision, writer
from agents.runtimes.demo.analysis_state import AnalysisState, Driver, Group, code, count_of, quoted
from agents.runtimes.demo.columns import Column, groupers
from agents.runtimes.demo.replay import Call, Script, ScriptContext, ScriptedTurn
from agents.runtimes.demo.steps import CannotContinue, Step, ask_table, sentence, with_progress

MOST_COLUMNS = 80
MOST_ROWS_SHOWN = 8
PARTNERS = 8
"""So many of the strongest columns are tried as partners of the first."""


class NotATable(Exception):
    """There is only text to work on, which is the other script's work."""


def script(context: ScriptContext) -> Script:
    """One assignment, then one revision for each comment, without end."""
    state = AnalysisState(context=context, question=context.prompt)
    try:
        yield from _look(state)
        yield from questions.choose_measure(state)
        yield from analyse(state)
        yield from delivery.deliver(state)
        reply = yield ScriptedTurn(delivery.closing(state))
        while True:
            yield from revision.revise(state, reply.said, analyse)
            reply = yield ScriptedTurn(delivery.closing(state))
    except NotATable:
        yield from writer.script(context)
    except CannotContinue as problem:
        reply = yield ScriptedTurn(str(problem))
        yield from script(replace(context, prompt=revision.prompt_after(context.prompt, reply.said)))


def analyse(state: AnalysisState) -> Step:
    """Rank the columns, then look into the strongest."""
    yield from _rank(state)
    yield from _look_into(state)


def _look(state: AnalysisState) -> Step:
    """Find the table and learn what its columns are."""
    reply = yield with_progress(state, 1, "Looking at the files", _plan(state), Call("list_files", {}))
    files = reading.tables(reply.last.text)
    if not files and reading.text_files(reply.last.text):
        raise NotATable
    if not files:
        raise CannotContinue(
            "I could not start: this run has no table. Attach a CSV, Parquet or Excel file and start it again. "
            f"What I found: {sentence(reply.last.text)}"
        )
    chosen = next((each for each in files if each.file.lower() in state.question.lower()), files[0])
    state.file, state.table = chosen.file, chosen.table
    if len(files) > 1:
        state.problems.append(f"{len(files)} tables came with the run; I read {chosen.file} only.")
    yield from _profile(state)


def _profile(state: AnalysisState) -> Step:
    said = f"{state.file} is there. I profile its columns: types, gaps and how many different values each has."
    (result,) = yield from ask_table(state, 1, "Profiling the columns", said, queries.profile(state.table))
    state.columns = reading.columns(result.text)
    found = len(state.columns)
    del state.columns[MOST_COLUMNS:]
    if found > MOST_COLUMNS:
        state.problems.append(f"Only the first {MOST_COLUMNS} of the columns were looked at.")
    said = f"It has {count_of(found, 'column')}. I count their values exactly, because the profile only estimates."
    sql = queries.exact_counts(state.table, state.columns)
    (result,) = yield from ask_table(state, 2, "Counting values", said, sql)
    state.rows, state.columns = reading.exact(state.columns, result.text)
    if not state.rows:
        raise CannotContinue(f"I stopped: {state.file} has a header but no rows, so there is nothing to measure.")


def _rank(state: AnalysisState) -> Step:
    by, same = groupers(state.columns, state.measure, state.wanted)
    state.left_out = [column.name for column in same]
    state.drivers, state.groups, state.combined = [], {}, []
    by = by or ([state.measure] if state.measure else [])
    if not by:
        raise CannotContinue(
            f"I stopped: {state.file} ({count_of(state.rows, 'row')}) has nothing to compare. "
            "Each column is free text, an identifier or the same in every row."
        )
    said = f"I compare the {state.what()} between the groups of {count_of(len(by), 'column')}."
    sql = queries.ranking(state.table, state.measure, by)
    (result,) = yield from ask_table(state, 3, "Comparing groups", said, sql)
    rows = reading.rows(result.text)
    if not rows:
        raise CannotContinue(f"I stopped: no row of {state.file} has a value to measure.")
    state.counted = int(reading.number(rows[0]["rows"]))
    state.mean, state.total = reading.number(rows[0]["mean"]), reading.number(rows[0]["total"])
    state.smallest = max(5, round(state.counted / 100))
    state.drivers = _drivers(state, rows)


def _drivers(state: AnalysisState, rows: Sequence[Mapping[str, str]]) -> list[Driver]:
    """Strongest first. Without a measure, the columns with the largest groups first."""
    drivers = []
    for row in rows:
        count = int(reading.number(row["groups"]))
        if count < 2 or (state.measure and row["factor"] == state.measure.name):
            continue
        effect = _corrected(reading.number(row["explained"]), rows=state.counted, groups=count)
        if state.measure is None:
            effect = reading.number(row["largest"]) / state.counted
        drivers.append(Driver(state.column(row["factor"]), count, effect))
    return sorted(drivers, key=lambda driver: -driver.effect)


def _corrected(explained: float, *, rows: int, groups: int) -> float:
    """Epsilon squared from eta squared."""
    return 1 - (1 - explained) * (rows - 1) / (rows - groups) if rows > groups else 0.0


def _look_into(state: AnalysisState) -> Step:
    """The groups of the strongest columns, and which other column the first one works together with."""
    if not state.drivers:
        return
    by = [driver.column for driver in state.shown]
    sql = [queries.groups(state.table, state.measure, by, most=MOST_ROWS_SHOWN)]
    others = [driver.column for driver in state.drivers[1:PARTNERS]]
    if state.measure and others and not state.is_weak:
        sql.append(queries.ranking(state.table, state.measure, others, within=by[0]))
    said = f"Now each group of {', '.join(f'{code(column.name)}' for column in by)}"
    said += f", and what {code(by[0].name)} explains together with another column." if len(sql) > 1 else "."
    results = yield from ask_table(state, 4, "Looking into the strongest", said, *sql)
    for row in reading.rows(results[0].text):
        state.groups.setdefault(row["factor"], []).append(_group(row, row["value"]))
    if len(results) > 1:
        pairs = _drivers(state, reading.rows(results[1].text))
        if pairs and pairs[0].effect > state.drivers[0].effect:
            yield from _combine(state, by[0], pairs[0].column)


def _combine(state: AnalysisState, first: Column, second: Column) -> Step:
    said = f"{code(first.name)} and {code(second.name)} together explain most, so I look at their combinations."
    at_least = state.smallest
    sql = queries.combinations(state.table, state.measure, (first, second), at_least=at_least, most=MOST_ROWS_SHOWN)
    (result,) = yield from ask_table(state, 4, "Combining the two strongest", said, sql)
    state.pair = (first, second)
    state.combined = [_group(row, f"{row[first.name]} · {row[second.name]}") for row in reading.rows(result.text)]


def _group(row: Mapping[str, str], value: str) -> Group:
    return Group(value, int(reading.number(row["n"])), reading.number(row["mean"]), reading.number(row["total"]))


def _plan(state: AnalysisState) -> str:
    asked = quoted(state.question)
    return (
        f"I was asked: {asked} First I look at the files and profile every column. Then I compare groups, chart what "
        "differs most, and write report.md with the numbers. If the question can mean more than one column, I ask."
    )
