"""The demo analyst: profiles a table, finds which columns a measure differs by, charts it and writes it up.

It follows one script whatever the file holds, but takes every decision from what its tools answered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from agents.runtimes.demo import asking, delivery, queries, reading, revision, writer
from agents.runtimes.demo.columns import Column, groupers
from agents.runtimes.demo.moves import Step, Stuck, ask_table, sentence, with_progress
from agents.runtimes.demo.replay import Call, Desk, Move, Script
from agents.runtimes.demo.study import Driver, Group, Study, code, count_of, quoted

MOST_COLUMNS = 80
MOST_ROWS_SHOWN = 8
PARTNERS = 8
"""So many of the strongest columns are tried as partners of the first."""


class NotATable(Exception):
    """There is only text to work on, which is the other script's work."""


def script(desk: Desk) -> Script:
    """One assignment, then one revision for each comment, without end."""
    study = Study(desk=desk, question=desk.prompt)
    try:
        yield from _look(study)
        yield from asking.choose_measure(study)
        yield from analyse(study)
        yield from delivery.deliver(study)
        reply = yield Move(delivery.closing(study))
        while True:
            yield from revision.revise(study, reply.said, analyse)
            reply = yield Move(delivery.closing(study))
    except NotATable:
        yield from writer.script(desk)
    except Stuck as problem:
        reply = yield Move(str(problem))
        yield from script(replace(desk, prompt=revision.prompt_after(desk.prompt, reply.said)))


def analyse(study: Study) -> Step:
    """Rank the columns, then look into the strongest."""
    yield from _rank(study)
    yield from _look_into(study)


def _look(study: Study) -> Step:
    """Find the table and learn what its columns are."""
    reply = yield with_progress(study, 1, "Looking at the files", _plan(study), Call("list_files", {}))
    files = reading.tables(reply.last.text)
    if not files and reading.text_files(reply.last.text):
        raise NotATable
    if not files:
        raise Stuck(
            "I could not start: this run has no table. Attach a CSV, Parquet or Excel file and start it again. "
            f"What I found: {sentence(reply.last.text)}"
        )
    chosen = next((each for each in files if each.file.lower() in study.question.lower()), files[0])
    study.file, study.table = chosen.file, chosen.table
    if len(files) > 1:
        study.problems.append(f"{len(files)} tables came with the run; I read {chosen.file} only.")
    yield from _profile(study)


def _profile(study: Study) -> Step:
    said = f"{study.file} is there. I profile its columns: types, gaps and how many different values each has."
    (result,) = yield from ask_table(study, 1, "Profiling the columns", said, queries.profile(study.table))
    study.columns = reading.columns(result.text)
    found = len(study.columns)
    del study.columns[MOST_COLUMNS:]
    if found > MOST_COLUMNS:
        study.problems.append(f"Only the first {MOST_COLUMNS} of the columns were looked at.")
    said = f"It has {count_of(found, 'column')}. I count their values exactly, because the profile only estimates."
    sql = queries.exact_counts(study.table, study.columns)
    (result,) = yield from ask_table(study, 2, "Counting values", said, sql)
    study.rows, study.columns = reading.exact(study.columns, result.text)
    if not study.rows:
        raise Stuck(f"I stopped: {study.file} has a header but no rows, so there is nothing to measure.")


def _rank(study: Study) -> Step:
    by, same = groupers(study.columns, study.measure, study.wanted)
    study.left_out = [column.name for column in same]
    study.drivers, study.groups, study.combined = [], {}, []
    by = by or ([study.measure] if study.measure else [])
    if not by:
        raise Stuck(
            f"I stopped: {study.file} ({count_of(study.rows, 'row')}) has nothing to compare. "
            "Each column is free text, an identifier or the same in every row."
        )
    said = f"I compare the {study.what()} between the groups of {count_of(len(by), 'column')}."
    sql = queries.ranking(study.table, study.measure, by)
    (result,) = yield from ask_table(study, 3, "Comparing groups", said, sql)
    rows = reading.rows(result.text)
    if not rows:
        raise Stuck(f"I stopped: no row of {study.file} has a value to measure.")
    study.counted = int(reading.number(rows[0]["rows"]))
    study.mean, study.total = reading.number(rows[0]["mean"]), reading.number(rows[0]["total"])
    study.smallest = max(5, round(study.counted / 100))
    study.drivers = _drivers(study, rows)


def _drivers(study: Study, rows: Sequence[Mapping[str, str]]) -> list[Driver]:
    """Strongest first. Without a measure, the columns with the largest groups first."""
    drivers = []
    for row in rows:
        count = int(reading.number(row["groups"]))
        if count < 2 or (study.measure and row["factor"] == study.measure.name):
            continue
        effect = _corrected(reading.number(row["explained"]), rows=study.counted, groups=count)
        if study.measure is None:
            effect = reading.number(row["largest"]) / study.counted
        drivers.append(Driver(study.column(row["factor"]), count, effect))
    return sorted(drivers, key=lambda driver: -driver.effect)


def _corrected(explained: float, *, rows: int, groups: int) -> float:
    """Epsilon squared from eta squared."""
    return 1 - (1 - explained) * (rows - 1) / (rows - groups) if rows > groups else 0.0


def _look_into(study: Study) -> Step:
    """The groups of the strongest columns, and which other column the first one works together with."""
    if not study.drivers:
        return
    by = [driver.column for driver in study.shown]
    sql = [queries.groups(study.table, study.measure, by, most=MOST_ROWS_SHOWN)]
    others = [driver.column for driver in study.drivers[1:PARTNERS]]
    if study.measure and others and not study.is_weak:
        sql.append(queries.ranking(study.table, study.measure, others, within=by[0]))
    said = f"Now each group of {', '.join(f'{code(column.name)}' for column in by)}"
    said += f", and what {code(by[0].name)} explains together with another column." if len(sql) > 1 else "."
    results = yield from ask_table(study, 4, "Looking into the strongest", said, *sql)
    for row in reading.rows(results[0].text):
        study.groups.setdefault(row["factor"], []).append(_group(row, row["value"]))
    if len(results) > 1:
        pairs = _drivers(study, reading.rows(results[1].text))
        if pairs and pairs[0].effect > study.drivers[0].effect:
            yield from _combine(study, by[0], pairs[0].column)


def _combine(study: Study, first: Column, second: Column) -> Step:
    said = f"{code(first.name)} and {code(second.name)} together explain most, so I look at their combinations."
    at_least = study.smallest
    sql = queries.combinations(study.table, study.measure, (first, second), at_least=at_least, most=MOST_ROWS_SHOWN)
    (result,) = yield from ask_table(study, 4, "Combining the two strongest", said, sql)
    study.pair = (first, second)
    study.combined = [_group(row, f"{row[first.name]} · {row[second.name]}") for row in reading.rows(result.text)]


def _group(row: Mapping[str, str], value: str) -> Group:
    return Group(value, int(reading.number(row["n"])), reading.number(row["mean"]), reading.number(row["total"]))


def _plan(study: Study) -> str:
    asked = quoted(study.question)
    return (
        f"I was asked: {asked} First I look at the files and profile every column. Then I compare groups, chart what "
        "differs most, and write report.md with the numbers. If the question can mean more than one column, I ask."
    )
