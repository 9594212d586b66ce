"""Requests for extremes, the first few, growth, and trends."""

from __future__ import annotations

import re
from dataclasses import replace

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.request import Aggregate, Ask, Grouping, Measure, Request, Unclear, Understood
from agents.runtimes.demo.table_columns import Kind
from agents.runtimes.demo.understanding import figure_requests, measures
from agents.runtimes.demo.understanding.groupings import (
    follow_up,
    group_after,
    month_of_year,
    rest_target,
    target,
)
from agents.runtimes.demo.understanding.measures import Decided
from agents.runtimes.demo.understanding.question_kinds import count_wanted
from agents.runtimes.demo.understanding.reader import Reader, measurable
from agents.runtimes.demo.understanding.refusals import cannot, nothing
from agents.runtimes.demo.understanding.restrictions import take_numbers, take_times, take_values

MOST = frozenset({"most", "fewest", "meiste", "meisten", "wenigsten"})
RELATIVE = re.compile(
    r"\b(?:fastest|quickest|slowest|percent\w*|relative\w*|rate|prozent\w*|schnellste\w*|langsamste\w*)\b"
)
FALLS = (
    "decreas", "declin", "fell", "fall", "drop", "lost", "abnahm", "abgenommen", "ruckgang", "gesunken", "gefallen",
    "verloren",
)  # fmt: skip


def extreme(reader: Reader, decided: Decided) -> Understood:
    """Read a question for the highest or lowest: first the group, then the measure, then the restrictions."""
    count = count_wanted(reader)
    sought = reader.superlative
    is_often = reader.sentence.has(cues.OFTEN)
    by, is_row = target(reader, decided)
    filters = [*take_times(reader), *take_numbers(reader)]
    measure = _measure_of_extreme(reader, decided, by, is_often=is_often)
    if isinstance(measure, Unclear):
        return measure
    filters += take_values(reader, besides=measure.column if measure.value else None)
    by = month_of_year(reader, by or rest_target(reader, measure), measure)
    is_low = sought is not None and not sought.is_high
    if is_often:
        is_low = any(word.startswith(("rar", "least", "selten", "less")) for word in reader.sentence.words)
    request = Request(
        ask=Ask.TOP if count > 1 else Ask.EXTREME,
        text="",
        measure=measure,
        by=by,
        also_by=follow_up(reader, by),
        filters=filters,
        is_low=is_low != measure.is_inverse,
        count=count,
        of_rows=is_row or by is None,
    )
    if by is None and measure.is_count:
        return cannot(reader.table, "I cannot tell which groups to count.")
    return request


def _measure_of_extreme(reader: Reader, decided: Decided, by: Grouping | None, *, is_often: bool) -> Measure | Unclear:
    if is_often and not decided.get("measure"):
        return Measure(Aggregate.ROWS)
    wants_count = reader.sentence.has(cues.COUNT)
    if wants_count and (counted := measures.take_value(reader, Aggregate.ROWS) or measures.take_counted(reader)):
        return counted
    found = measures.take_measure(reader, decided)
    if found is not None:
        return _as_count(reader, found)
    aggregate = Aggregate.SHARE if reader.sentence.has(cues.SHARE) else Aggregate.ROWS
    if value := measures.take_value(reader, aggregate):
        return value
    if wants_count or _counts_rows(reader):
        return measures.take_counted(reader) or Measure(Aggregate.ROWS)
    if only := measures.only_measure(reader):
        return only
    if by is not None and (counted := measures.take_counted(reader)):
        return counted
    return measures.unclear_of(reader) if measurable(reader.columns) else Measure(Aggregate.ROWS)


def _as_count(reader: Reader, found: Measure | Unclear) -> Measure | Unclear:
    """Read "most" of a flag as a number of rows; "highest" stays a share."""
    if isinstance(found, Unclear) or found.column is None or found.column.kind is not Kind.FLAG or found.is_given:
        return found
    is_most = any(word in MOST for word in reader.sentence.words) and not reader.sentence.has(cues.SHARE)
    return replace(found, aggregate=Aggregate.ROWS) if is_most else found


def _counts_rows(reader: Reader) -> bool:
    """Return True if "the most" is followed by a word for rows or by something to count."""
    for pattern in (cues.HIGH, cues.LOW):
        for _, end in reader.sentence.spans(pattern):
            if end < len(reader.sentence.words) and reader.is_row_word(end):
                return True
            if any(mention.start == end and mention.columns for mention in reader.free()):
                return True
    return False


def rows_that_fit(reader: Reader, decided: Decided) -> Understood:
    """Read a question for the rows that match a restriction on a number."""
    by, _ = target(reader, decided)
    numbers = take_numbers(reader)
    filters = [*take_times(reader), *numbers, *take_values(reader)]
    if not numbers:
        return figure_requests.figure(Reader(reader.sentence, reader.table), decided)
    measure = Measure(Aggregate.MEAN, numbers[0].column)
    return Request(
        ask=Ask.LIST, text="", measure=measure, by=by, filters=filters, is_low="<" in numbers[0].operator,
        of_rows=True,
    )  # fmt: skip


def growth(reader: Reader, decided: Decided) -> Understood:
    """Read a question for the group that grew or fell most between its first and its last period."""
    by, _ = target(reader, decided)
    if reader.table.time() is None:
        return cannot(reader.table, f"{reader.table.file} has no column of dates or years to see growth by.")
    filters = take_times(reader)
    measure = measures.take_measure(reader, decided) or measures.only_measure(reader)
    if measure is None:
        return measures.unclear_of(reader) if measurable(reader.columns) else nothing(reader)
    if isinstance(measure, Unclear):
        return measure
    sought = reader.superlative
    falls = any(word.startswith(FALLS) for word in reader.sentence.words)
    return Request(
        ask=Ask.GROWTH,
        text="",
        measure=measure,
        by=by or rest_target(reader, measure),
        filters=filters + take_values(reader),
        is_low=falls == (sought is None or sought.is_high),
        is_relative=reader.sentence.has(RELATIVE),
    )


def trend(reader: Reader, decided: Decided) -> Understood:
    """Read a question for a number over time, with one line per group if it names a group."""
    by = next((each for _, end in reader.sentence.spans(cues.BY) if (each := group_after(reader, end))), None)
    grain = by.grain if by and by.is_time else ""
    by = None if by and (by.is_time or by.grain) else by
    filters = [*take_times(reader), *take_numbers(reader)]
    measure = measures.take_measure(reader, decided)
    if isinstance(measure, Unclear):
        return measure
    if measure is None and reader.sentence.has(cues.COUNT):
        measure = measures.take_value(reader, Aggregate.ROWS) or Measure(Aggregate.ROWS)
    measure = measure or measures.only_measure(reader)
    if measure is None:
        able = measurable(reader.columns)
        if able:
            return measures.unclear_of(reader)
        measure = Measure(Aggregate.ROWS)
    filters += take_values(reader)
    by = by or _trend_group(reader, measure)
    reader.used |= {word.at for word in reader.grains}
    return Request(ask=Ask.TREND, text="", measure=measure, by=by, filters=filters, grain=grain)


def _trend_group(reader: Reader, measure: Measure) -> Grouping | None:
    for mention in reader.free():
        for column in mention.columns:
            if column.is_time or column.is_part_of_year:
                reader.use(mention)
            elif column != measure.column and column.kind is Kind.CATEGORY and not column.is_number:
                reader.use(mention)
                return Grouping(column)
    return None
