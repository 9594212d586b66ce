"""Requests that relate two things: groups, columns, periods, causes."""

from __future__ import annotations

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.request import Aggregate, Ask, Filter, Grouping, Measure, Request, Unclear, Understood
from agents.runtimes.demo.table_columns import Kind
from agents.runtimes.demo.understanding import measures
from agents.runtimes.demo.understanding.groupings import (
    by_group,
    rest_target,
)
from agents.runtimes.demo.understanding.measures import Decided
from agents.runtimes.demo.understanding.question_kinds import compares_years, same_column_values
from agents.runtimes.demo.understanding.reader import Reader, measurable
from agents.runtimes.demo.understanding.refusals import cannot
from agents.runtimes.demo.understanding.restrictions import take_numbers, take_times, take_values, years_named


def compare(reader: Reader, decided: Decided) -> Understood:
    """Read a comparison of two or more values of one column, or of two columns."""
    values = same_column_values(reader)
    column = next(
        (value.column for each in reader.mentions for value in each.values if values and value.value == values[0]), None
    )
    if column is not None:
        for mention in reader.mentions:
            if any(value.column == column for value in mention.values):
                reader.use(mention)
    by = Grouping(column) if column is not None else None
    if by is None and compares_years(reader) and (years := reader.time_grouping("year")):
        by, values = years, years_named(reader)
        reader.used |= {at for at, word in enumerate(reader.sentence.words) if word in values}
    filters = [*take_times(reader), *take_numbers(reader)]
    measure = measures.take_measure(reader, decided)
    if isinstance(measure, Unclear):
        return measure
    if by is None:
        return _compare_columns(reader, measure, filters)
    if measure is None and not reader.sentence.has(cues.COUNT):
        able = measurable(reader.columns)
        measure = measures.only_measure(reader) or measures.usual_measure(reader)
        if (
            measure is None
            and able
            and (reader.unused() or any(each.degree == "comparative" for each in reader.sentence.adjectives))
        ):
            return measures.unclear_of(reader)
    return Request(
        ask=Ask.COMPARE,
        text="",
        measure=measure or Measure(Aggregate.ROWS),
        by=by,
        values=values,
        filters=filters + take_values(reader, besides=column),
    )


def _compare_columns(reader: Reader, measure: Measure | None, filters: list[Filter]) -> Understood:
    by = by_group(reader, {}) or (rest_target(reader, measure) if measure else None)
    other = measures.take_measure(reader, {}, "other")
    if isinstance(other, Unclear):
        return other
    if measure is not None and other is not None:
        return Request(ask=Ask.COMPARE, text="", measure=measure, other=other, filters=filters)
    if measure is not None and by is not None:
        return Request(ask=Ask.FIGURE, text="", measure=measure, by=by, filters=filters)
    return cannot(reader.table, "I cannot tell which two groups or columns to compare.")


def relation(reader: Reader, decided: Decided) -> Understood:
    """Read a relation of two columns: how the second depends on the first."""
    filters = [*take_times(reader), *take_numbers(reader)]
    sides: list[Measure] = []
    for role in ("other", "measure"):
        found = measures.take_measure(reader, decided, role, in_order=True) or measures.any_column(reader)
        if isinstance(found, Unclear):
            return found
        if found is not None:
            sides.append(found)
    filters += take_values(reader)
    if len(sides) < 2:
        if sides and sides[0].column is not None:
            return drivers(reader, {"measure": sides[0].column, **decided})
        return cannot(reader.table, "I cannot tell which two columns are meant.")
    first, second = sides
    if (
        second.column is not None
        and not second.column.can_be_measured
        and first.column
        and first.column.can_be_measured
    ):
        first, second = second, first
    return Request(ask=Ask.RELATION, text="", measure=second, other=first, filters=filters)


def drivers(reader: Reader, decided: Decided) -> Understood:
    """Read a question for what a number, a flag, or a category depends on. Words after the cue come first."""
    spans = reader.sentence.spans(cues.DRIVES) or reader.sentence.spans(cues.RELATION)
    start = spans[-1][1] if spans else 0
    filters = take_times(reader)
    for place in dict.fromkeys((start, 0)):
        found = measures.take_measure(reader, decided, start=place)
        if found is None:
            found = measures.take_value(reader, Aggregate.SHARE, place) or _category(reader, place)
        if isinstance(found, Unclear):
            return found
        if found is not None:
            break
    else:
        found = measures.only_measure(reader)
    able = measurable(reader.columns)
    if found is None and able:
        return measures.unclear_of(reader)
    filters += take_values(reader, besides=found.column if found else None)
    return Request(ask=Ask.DRIVERS, text="", measure=found or Measure(Aggregate.ROWS), filters=filters)


def _category(reader: Reader, start: int) -> Measure | None:
    for mention in reader.free():
        for column in mention.columns:
            if mention.start >= start and column.kind is Kind.CATEGORY:
                reader.use(mention)
                return Measure(Aggregate.ROWS, column)
    return None


def periods(reader: Reader, decided: Decided) -> Understood:
    """Read a comparison of a period with the one before. It is the last period, or the one that ends on a given day."""
    grain = next(
        (word.grain for word in reader.grains if word.grain in ("week", "month", "quarter", "year", "day")), "month"
    )
    measure = measures.take_measure(reader, decided)
    if isinstance(measure, Unclear):
        return measure
    reader.used |= set(range(len(reader.sentence.words)))
    return Request(ask=Ask.PERIODS, text="", measure=measure or Measure(Aggregate.ROWS), grain=grain)
