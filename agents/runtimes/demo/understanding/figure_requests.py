"""Requests for one figure, or for one per group."""

from __future__ import annotations

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.request import Aggregate, Ask, Measure, Request, Unclear, Understood
from agents.runtimes.demo.table_columns import Kind
from agents.runtimes.demo.understanding import measures
from agents.runtimes.demo.understanding.groupings import (
    by_group,
    rest_target,
)
from agents.runtimes.demo.understanding.measures import Decided
from agents.runtimes.demo.understanding.reader import Reader, measurable
from agents.runtimes.demo.understanding.refusals import cannot, nothing
from agents.runtimes.demo.understanding.restrictions import take_flags, take_numbers, take_times, take_values


def figure(reader: Reader, decided: Decided) -> Understood:
    """Read a question for an average, a total, a count or a share, with groups if it names any."""
    by = by_group(reader, decided)
    filters = [*take_times(reader), *take_numbers(reader)]
    measure = _measure_of_figure(reader, decided)
    if isinstance(measure, Unclear):
        return measure
    filters += [
        *take_values(reader, besides=measure.column if measure.value else None),
        *take_flags(reader, anywhere=measure.aggregate is Aggregate.ROWS),
    ]
    also_by = None
    if by is None or measure.column is None:
        also_by = rest_target(reader, measure, has_spans=False)
        by, also_by = (also_by, None) if by is None else (by, also_by)
    if measure.aggregate is Aggregate.DISTINCT and by is not None and by.column == measure.column:
        by = None
    is_low = bool(reader.superlative and not reader.superlative.is_high)
    return Request(ask=Ask.FIGURE, text="", measure=measure, by=by, also_by=also_by, filters=filters, is_low=is_low)


def _measure_of_figure(reader: Reader, decided: Decided) -> Measure | Unclear:
    sentence = reader.sentence
    if sentence.has(cues.DISTINCT) or (sentence.has(cues.WHICH) and sentence.has(cues.EXISTS)):
        return measures.take_counted(reader) or cannot(
            reader.table, "I cannot tell the different values of what to count."
        )
    is_share = sentence.has(cues.SHARE)
    if is_share and (share := _share(reader, decided)):
        return share
    is_count = sentence.has(cues.COUNT)
    if is_count and (counted := measures.take_counted_value(reader)):
        return counted
    named = measures.take_measure(reader, decided)
    if named is not None:
        return _counted(named) if is_count and isinstance(named, Measure) else named
    if is_count:
        return _count(reader)
    if measures.aggregate_named(reader) is None:
        return _count(reader)
    if only := measures.only_measure(reader):
        return only
    able = measurable(reader.columns)
    return measures.unclear_of(reader) if able else nothing(reader)


def _counted(measure: Measure) -> Measure:
    """Read "how many" of a number as its total."""
    if measure.is_given or measure.is_indicator:
        return measure
    return Measure(Aggregate.SUM, measure.column, word=measure.word)


def _share(reader: Reader, decided: Decided) -> Measure | Unclear | None:
    """Read the share of a flag or of a value; a number that is a share itself is averaged."""
    if any(column.kind is Kind.FLAG for mention in reader.free() for column in mention.columns):
        return measures.take_measure(reader, decided)
    if value := measures.take_value(reader, Aggregate.SHARE):
        return value
    return measures.take_measure(reader, decided)


def _count(reader: Reader) -> Measure:
    """Count rows, or the distinct values of the counted column."""
    for _, end in reader.sentence.spans(cues.COUNT):
        if end < len(reader.sentence.words) and reader.is_row_word(end):
            return Measure(Aggregate.ROWS)
        mention = next((each for each in reader.free() if each.start == end and each.columns and not each.values), None)
        if mention is not None:
            return measures.take_counted(reader) or Measure(Aggregate.ROWS)
    return Measure(Aggregate.ROWS)


def distribution(reader: Reader, decided: Decided) -> Understood:
    filters = [*take_times(reader), *take_numbers(reader)]
    by = by_group(reader, decided)
    measure = measures.take_measure(reader, decided) or measures.any_column(reader) or measures.only_measure(reader)
    if isinstance(measure, Unclear):
        return measure
    if measure is None:
        able = measurable(reader.columns)
        return measures.unclear_of(reader) if able else nothing(reader)
    filters += take_values(reader)
    return Request(ask=Ask.DISTRIBUTION, text="", measure=measure, by=by, filters=filters)
