"""Choice of the table that a question is about, and the profile of its columns."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from typing import TypeVar

from agents.runtimes.demo import profile_queries as queries
from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.expressions import name
from agents.runtimes.demo.language.concepts import concepts
from agents.runtimes.demo.language.sentence import Sentence
from agents.runtimes.demo.reading import TableFile
from agents.runtimes.demo.replay import Call, Reply, ScriptedTurn
from agents.runtimes.demo.steps import CannotContinue, Step, ask_table, sentence, try_table, with_progress
from agents.runtimes.demo.table import Table, long_form, with_long_form
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.understanding.mentions import mentions
from agents.runtimes.demo.wording import count_of, quoted

MOST_TABLES = 8
MOST_VALUES = 60
"""Distinct values up to which a column is listed; in longer ones, single values are looked up by name."""
SHOWN = 190
"""Rows that one tool result can show, with some margin."""
COUNTED_AT_ONCE, FORMATS_AT_ONCE = 40, 4
T = TypeVar("T")
Studied = Generator[ScriptedTurn, Reply, tuple[list[Column], int]]


class NotATable(Exception):
    """The run has text but no table; the writer's script takes over."""


def look(state: AnalysisState) -> Step:
    """Choose the table that fits the question and profile its columns."""
    reply = yield with_progress(state, 1, "Looking at the files", _plan(state), Call("list_files", {}))
    files = reading.tables(reply.last.text)
    if not files and reading.text_files(reply.last.text):
        raise NotATable
    if not files:
        raise CannotContinue(
            "I could not start: this run has no table. Attach a CSV, Parquet, Excel or JSON file and start it again. "
            f"What I found: {sentence(reply.last.text)}"
        )
    named = [each for each in files if each.file.lower() in state.question.lower()]
    yield from _profile(state, (named or files)[:MOST_TABLES])
    state.table = max(state.tables, key=lambda table: _fit(state.question, table))
    if len(files) > 1:
        state.problems.append(f"{len(files)} tables came with the run; I read {_label(state.table)} only.")
    if not state.table.rows:
        raise CannotContinue(
            f"I stopped: {_label(state.table)} has a header but no rows, so there is nothing to measure."
        )
    if state.table.header_is_doubtful:
        raise CannotContinue(
            f"I stopped: the first row of {_label(state.table)} does not name its columns "
            f"({', '.join(column.name for column in state.table.columns[:5])} …), so I cannot tell what a "
            "question is about. "
            "Give each column a name in the first row."
        )
    yield from _details(state)


def _plan(state: AnalysisState) -> str:
    return (
        f"You asked: {quoted(state.question)} First I look at the files and at every column. If the words can "
        "mean more "
        "than one thing, I ask before I count. Then I answer with numbers, a table and a chart, and write report.md."
    )


def _profile(state: AnalysisState, files: Sequence[TableFile]) -> Step:
    """Profile the columns of each table. An unreadable table is skipped if there is another."""
    narration = (
        f"{_names(files)} {'is' if len(files) == 1 else 'are'} there. Profiling every column: types, gaps and ranges."
    )
    results = yield from try_table(
        state, 1, "Profiling the columns", narration, *(queries.profile(file.table) for file in files)
    )
    for file, result in zip(files, results, strict=True):
        if result.is_error:
            state.problems.append(f"{file.file} could not be read: {sentence(result.text)}")
            continue
        table = Table(name=file.table, file=file.file, source=name(file.table), notes=reading.notes(result.text))
        table.columns = reading.with_units(reading.columns(result.text), table.notes)
        table.rows = max((column.filled for column in table.columns), default=0)
        state.tables.append(table)
    if not state.tables:
        raise CannotContinue(f"I stopped: {sentence(results[0].text)}")
    for table in state.tables:
        if len(table.columns) == queries.PAGE:
            yield from _more_columns(state, table)


def _more_columns(state: AnalysisState, table: Table) -> Step:
    page = 1
    while len(table.columns) == page * queries.PAGE:
        narration = f"{table.file} has more than {len(table.columns)} columns. Profiling the next ones."
        (result,) = yield from ask_table(
            state, 1, "Profiling the columns", narration, queries.profile(table.name, page)
        )
        table.columns += reading.columns(result.text)
        page += 1


def _details(state: AnalysisState) -> Step:
    """Query exact counts, category values, and number and date notations; then the long form of a wide table."""
    table = state.table
    narration = (
        f"It has {count_of(len(table.columns), 'column')}. Counting their values exactly, because the profile only "
        "estimates, and looking at how dates and amounts are written."
    )
    table.columns, table.rows = yield from _studied(state, table.source, table.columns, narration)
    if not table.rows:
        raise CannotContinue(f"I stopped: {table.file} has a header but no rows, so there is nothing to measure.")
    _add_date(table)
    select = long_form(table)
    if select:
        yield from _reshape(state, select)


def _studied(state: AnalysisState, source: str, columns: Sequence[Column], narration: str) -> Studied:
    """Return the columns with everything that counts reveal, and the number of rows."""
    counted = list(_chunks(columns, COUNTED_AT_ONCE))
    texts = [column for column in columns if column.is_text and _has_digit(column)]
    written = list(_chunks(texts, FORMATS_AT_ONCE))
    short = list(_by_values([column for column in columns if _is_listed(column)]))
    sql = [queries.exact_counts(source, chunk) for chunk in counted]
    sql += [queries.formats(source, chunk) for chunk in written]
    sql += [queries.values(source, chunk) for chunk in short]
    results = yield from ask_table(state, 2, "Counting values", narration, *sql)
    answers = iter(results)
    rows, known = 0, {column.name: column for column in columns}
    for chunk in counted:
        rows, exact = reading.exact(chunk, next(answers).text)
        known |= {column.name: column for column in exact}
    for chunk in written:
        found = reading.with_formats([known[column.name] for column in chunk], next(answers).text)
        known |= {column.name: column for column in found}
    for chunk in short:
        found = reading.with_values([known[column.name] for column in chunk], next(answers).text)
        known |= {column.name: column for column in found}
    dates = [column for column in known.values() if column.is_date and column.distinct > 1]
    whole = [column for column in known.values() if reading.may_be_whole_date(column)]
    if dates or whole:
        results = yield from ask_table(
            state,
            2,
            "Reading dates",
            "Looking at what span of time it covers.",
            queries.spans(source, [*dates, *whole]),
        )
        found = reading.with_spans([*dates, *whole], results[0].text)
        known |= {column.name: column for column in found}
    return list(known.values()), rows


def _reshape(state: AnalysisState, select: str) -> Step:
    """Reshape one column per year or month into one row per year or month."""
    table = state.table
    narration = "It has a column for each year or month, so I read it as one row for each."
    (result,) = yield from ask_table(state, 2, "Reshaping", narration, queries.profile(f"({select})", is_source=True))
    columns = reading.columns(result.text)
    columns, rows = yield from _studied(state, f"({select})", columns, "Counting the values of that form.")
    with_long_form(table, select, columns, rows)


def _add_date(table: Table) -> None:
    """Add a date column built from a year and a quarter or month column."""
    year = next((column for column in table.columns if column.is_year), None)
    part = next((column for column in table.columns if column.is_part_of_year), None)
    if year is None or part is None or any(column.kind is Kind.DATE for column in table.columns):
        return
    month = f"CAST({name(part.name)} AS INTEGER)"
    if part.is_part_of_year == "quarter":
        month = f"{month} * 3 - 2"
    expression = f"make_date(CAST({name(year.name)} AS INTEGER), {month}, 1)"
    low, high = f"{float(year.low):.0f}-01-01", f"{float(year.high):.0f}-12-01"
    table.columns.append(
        Column(
            name=f"{year.name} and {part.name}",
            type="DATE",
            distinct=year.distinct * part.distinct,
            filled=year.filled,
            low=low,
            high=high,
            tokens=("date",),
            expression=expression,
        )
    )


def look_up(state: AnalysisState, words: Sequence[str]) -> Step:
    """Search words of the question among the values of columns with many values."""
    table = state.table
    searched = [column for column in table.asked if column.is_text and not column.values and not column.is_date]
    if not words or not searched:
        return
    narration = "Looking for the question's own words among the values."
    sql = queries.values_like(table.source, searched[:20], words)
    (result,) = yield from ask_table(state, 2, "Looking up names", narration, sql)
    found = {column.name: column for column in reading.with_values(searched, result.text)}
    table.columns = [found.get(column.name, column) for column in table.columns]
    table.long = [found.get(column.name, column) for column in table.long]


def _fit(question: str, table: Table) -> float:
    """Return how well a table fits: columns and sheet that the question names, then size.

    A cover sheet has few rows.
    """
    found = mentions(Sentence(question).tokens, table.columns)
    named = sum(max(mention.fit, mention.value_fit) for mention in found)
    words = Sentence(question).words
    sheet = sum(any(concepts(word) & concepts(known) or word == known for known in table.words) for word in words)
    is_small = table.rows < 3 or len(table.columns) < 2
    return 3 * named + sheet + math.log10(table.rows + 1) + 0.5 * math.log10(len(table.columns) + 1) - 5 * is_small


def _is_listed(column: Column) -> bool:
    return (column.is_text or column.type.startswith("ENUM")) and 1 <= column.distinct <= MOST_VALUES


def _has_digit(column: Column) -> bool:
    return any(sign.isdigit() for sign in column.low + column.high)


def _by_values(columns: Sequence[Column]) -> Iterator[list[Column]]:
    """Split the columns so that all values of a part fit into one tool result."""
    chunk: list[Column] = []
    total = 0
    for column in columns:
        if chunk and total + column.distinct + 5 > SHOWN:
            yield chunk
            chunk, total = [], 0
        chunk.append(column)
        total += column.distinct + 5
    if chunk:
        yield chunk


def _chunks(items: Sequence[T], size: int) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])


def _names(files: Sequence[TableFile]) -> str:
    names = list(dict.fromkeys(file.file for file in files))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _label(table: Table) -> str:
    return f"{table.file} ({table.name})" if table.sheet else table.file
