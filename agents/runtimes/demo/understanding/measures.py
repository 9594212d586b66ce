"""Measures that a question names: a column, a value's share, or rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.language.concepts import concepts
from agents.runtimes.demo.language.word_lists import set_of
from agents.runtimes.demo.request import Aggregate, Measure, Unclear
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.understanding.mentions import Mention
from agents.runtimes.demo.understanding.reader import Reader, measurable

ADDITIVE = set_of(
    "revenue cost profit quantity precipitation death wound disease investment execution generation "
    "refund vote order bill strike affair"
)
"""Meanings of amounts that add up over rows; others (prices, ages, rates) are averaged."""
MONEY = frozenset({"revenue", "profit"})
RATES = set_of("rate share percent pct per avg mean average ratio index price score level quote durchschnitt")
MOST_CHOICES = 6
Decided = Mapping[str, Column]
"""Columns that a person chose, by role."""


def aggregate_named(reader: Reader) -> Aggregate | None:
    """Return the aggregate that the question names, or None."""
    for name, pattern in cues.AGGREGATES:
        if reader.sentence.has(pattern):
            return {"median": Aggregate.MEDIAN, "mean": Aggregate.MEAN, "sum": Aggregate.SUM}[name]
    return None


def default_aggregate(column: Column) -> Aggregate:
    """Return the usual aggregate of such a column."""
    if column.kind is Kind.FLAG:
        return Aggregate.SHARE
    words = column.tokens
    if column.unit == "%" or RATES & set(words):
        return Aggregate.MEAN
    return Aggregate.SUM if any(concepts(word) & ADDITIVE for word in words) else Aggregate.MEAN


def of_column(reader: Reader, column: Column, mention: Mention | None = None) -> Measure:
    """Return the column's measure, with the aggregate that the question names or the usual one."""
    named = aggregate_named(reader)
    aggregate = named or default_aggregate(column)
    if column.kind is Kind.FLAG:
        is_sum = named is Aggregate.SUM or (reader.sentence.has(cues.COUNT) and not reader.sentence.has(cues.SHARE))
        aggregate = Aggregate.ROWS if is_sum else Aggregate.SHARE
    return Measure(
        aggregate,
        column,
        is_inverse=mention.is_inverse if mention else False,
        is_given=named is not None,
        word=reader.text_of(mention) if mention else "",
    )


def take_measure(
    reader: Reader, decided: Decided, role: str = "measure", *, start: int = 0, in_order: bool = False
) -> Measure | Unclear | None:
    """Return the measure that the words from `start` on name, or None.

    `in_order` takes the first name; otherwise the most certain one is taken.
    """
    mention = _best(reader, lambda each: bool(measurable(each.columns)), start)
    if in_order:
        mention = next((each for each in reader.free() if measurable(each.columns)), None)
    if role in decided:
        if mention is not None and decided[role] in mention:
            reader.use(mention)
            return of_column(reader, decided[role], mention)
        return of_column(reader, decided[role])
    if mention is None:
        return None
    able = _by_direction(reader, measurable(mention.columns))
    if len(able) > 1:
        return unclear(able, role)
    reader.use(mention)
    return of_column(reader, able[0], mention)


def take_value(reader: Reader, aggregate: Aggregate, start: int = 0) -> Measure | None:
    """Return the rows with a value that the question names: benign, snow days."""
    mention = _best(reader, lambda each: bool(each.values) and not is_event(each), start)
    if mention is None:
        return None
    reader.use(mention)
    reader.used |= {word.at for word in reader.grains if word.at == mention.end}
    value = mention.values[0]
    return Measure(aggregate, value.column, value.value, word=reader.text_of(mention))


def take_counted_value(reader: Reader) -> Measure | None:
    """Return the rows with a value after "how many": how many rainy days, how many women."""
    for _, end in reader.sentence.spans(cues.COUNT):
        for mention in reader.free():
            is_next = mention.start == end and bool(mention.values) and not is_event(mention)
            is_kind = any(word.at == mention.end for word in reader.grains) or (
                mention.end < len(reader.sentence.words) and reader.is_row_word(mention.end)
            )
            if is_next and (is_kind or mention.value_fit > mention.fit):
                reader.use(mention)
                reader.used |= {word.at for word in reader.grains if word.at == mention.end}
                value = mention.values[0]
                return Measure(Aggregate.ROWS, value.column, value.value, word=reader.text_of(mention))
    return None


def take_counted(reader: Reader) -> Measure | None:
    """Return the count of a noun that is no number: cities (distinct ones), deaths (rows with a date of it)."""
    for mention in reader.free():
        for column in mention.columns:
            if column.kind is Kind.DATE and is_event(mention):
                reader.use(mention)
                return Measure(Aggregate.ROWS, column)
            if column.names_groups and not column.is_number and mention.fit >= 0.8:
                reader.use(mention)
                return Measure(Aggregate.DISTINCT, column)
    return None


def usual_measure(reader: Reader) -> Measure | None:
    """Return the first additive amount, such as revenue, for a comparison without a column or any other word."""
    sums = [column for column in measurable(reader.columns) if default_aggregate(column) is Aggregate.SUM]
    sums.sort(key=lambda column: not any(concepts(word) & MONEY for word in column.tokens))
    return of_column(reader, sums[0]) if sums and not reader.unused() else None


def is_event(mention: Mention) -> bool:
    """Return True if the word names an event with a date per row: deaths, with a date of death."""
    dates = [column for column in mention.columns if column.kind is Kind.DATE]
    return any(concepts(word) & ADDITIVE for column in dates for word in column.tokens)


def any_column(reader: Reader) -> Measure | None:
    """Return a column to group by, if one is named."""
    for mention in reader.free():
        for column in mention.columns:
            if column.can_group or column.is_time:
                reader.use(mention)
                return Measure(Aggregate.ROWS, column)
    return None


def only_measure(reader: Reader) -> Measure | None:
    """Return the only measurable column, or None if there are several."""
    able = measurable(reader.columns)
    return of_column(reader, able[0]) if len(able) == 1 else None


def unclear(able: Sequence[Column], role: str = "measure", unknown: Sequence[str] = ()) -> Unclear:
    """Ask which of the columns is meant. If words are `unknown`, no column is chosen without an answer."""
    default = next((column for column in able if column.kind is Kind.FLAG), able[0])
    question = "Which column should I measure?" if role == "measure" else "Which column do you mean?"
    why = f"No column is called {' or '.join(f'“{word}”' for word in unknown[:4])}." if unknown else ""
    return Unclear(
        question=question, why=why, role=role, columns=tuple(able[:MOST_CHOICES]), default=None if unknown else default
    )


def unclear_of(reader: Reader) -> Unclear:
    """Ask what to measure, and name the words without a match."""
    words = [reader.sentence.tokens[at].text for at in reader.unused()]
    return unclear(measurable(reader.columns), unknown=words)


def _by_direction(reader: Reader, able: list[Column]) -> list[Column]:
    """Choose temp_max of temp_max and temp_min if the warmest is asked for."""
    sought = reader.superlative
    if len(able) < 2 or sought is None:
        return able
    mark = "high" if sought.is_high else "low"
    marked = [column for column in able if any(mark in concepts(word) for word in column.tokens)]
    return marked if len(marked) == 1 else able


def _best(reader: Reader, wanted: Callable[[Mention], bool], start: int) -> Mention | None:
    """Return the most certain mention: numbers before values, right after a cue, then by fit."""
    how = {at + 1 for at, word in enumerate(reader.sentence.words) if word in ("how", "wie")}
    cue_ends = {
        end
        for pattern in (cues.HIGH, cues.LOW, cues.COUNT, *(each for _, each in cues.AGGREGATES))
        for _, end in reader.sentence.spans(pattern)
    }
    found = [mention for mention in reader.free() if mention.start >= start and wanted(mention)]
    return min(
        found,
        key=lambda each: (
            each.value_fit > each.fit,
            each.start not in how,
            each.start not in cue_ends,
            -round(each.fit, 2),
            each.start,
        ),
        default=None,
    )
