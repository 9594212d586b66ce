"""Groups, time spans or rows that a question asks about."""

from __future__ import annotations

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.language.concepts import concepts
from agents.runtimes.demo.request import Grouping, Measure
from agents.runtimes.demo.understanding.measures import Decided
from agents.runtimes.demo.understanding.mentions import Mention
from agents.runtimes.demo.understanding.reader import Reader

PLACES = ("city", "state", "region", "country", "neighborhood", "site", "origin")
PEOPLE = ("name", "person", "company", "employee", "customer")


def target(reader: Reader, decided: Decided) -> tuple[Grouping | None, bool]:
    """Return the grouping that which, who, where, when or by asks for; and True if single rows are meant."""
    if "group" in decided:
        return reader.grouping(decided["group"], ""), False
    sentence = reader.sentence
    for pattern in (cues.WHICH, cues.BY):
        for _, end in sentence.spans(pattern):
            if grouping := group_after(reader, end):
                return grouping, False
            if end < len(sentence.words) and reader.is_row_word(end):
                return None, True
    if sentence.has(cues.WHEN):
        return reader.time_grouping(""), False
    if sentence.has(cues.WHERE):
        return _by_meaning(reader, PLACES), False
    if sentence.has(cues.WHO):
        who = _by_meaning(reader, PEOPLE)
        is_each = who is not None and who.column.distinct > reader.table.asked_rows / 2
        return (None, True) if is_each else (who, False)
    return None, False


def group_after(reader: Reader, end: int) -> Grouping | None:
    """Return the grouping that the words after "which" or "by" name: a column's values, or time spans."""
    grain = reader.grain_after(end)
    mention = reader.after(end, lambda each: reader.grouping_of(each) is not None and not is_measure_only(each))
    if grain and (mention is None or mention.start >= grain.at):
        named = mention if mention and mention.start == grain.at and _is_surely(mention) else None
        by = reader.grouping_of(named) if named else reader.time_grouping(grain.grain)
        if by is not None:
            reader.used.add(grain.at)
            if mention and mention.start == grain.at:
                reader.use(mention)
            return by
    if mention is None:
        return None
    reader.use(mention)
    return reader.grouping_of(mention)


def _is_surely(mention: Mention) -> bool:
    """Return True if a word such as "day" names the column rather than a time span."""
    return mention.fit >= 0.97 or any(column.is_time or column.is_part_of_year for column in mention.columns)


def is_measure_only(mention: Mention) -> bool:
    return all(column.is_number and not column.names_groups for column in mention.columns)


def _by_meaning(reader: Reader, meanings: tuple[str, ...]) -> Grouping | None:
    for meaning in meanings:
        for column in reader.columns:
            if (
                column.names_groups
                and not column.is_number
                and any(meaning in concepts(word) for word in column.tokens)
            ):
                return Grouping(column)
    return None


def rest_target(reader: Reader, measure: Measure, *, has_spans: bool = True) -> Grouping | None:
    """Return the grouping that is named without a cue: "the warmest month", "state with the highest rate"."""
    for mention in reader.free():
        grouping = reader.grouping_of(mention)
        if grouping is None or (grouping.column.is_time and not has_spans):
            continue
        if grouping.column != measure.column and not is_measure_only(mention):
            reader.use(mention)
            return grouping
    for word in reader.grains if has_spans else ():
        if word.at not in reader.used and (grouping := reader.time_grouping(word.grain)):
            reader.used.add(word.at)
            return grouping
    return None


def follow_up(reader: Reader, by: Grouping | None) -> Grouping | None:
    """Return the second grouping that "… and in which year" asks for, or None."""
    if by is None:
        return None
    spans = reader.sentence.spans(cues.WHICH)[1:] + reader.sentence.spans(cues.WHEN)
    for _, end in spans:
        grouping = group_after(reader, end) or (reader.time_grouping("") if reader.sentence.has(cues.WHEN) else None)
        if grouping is not None and grouping != by:
            return grouping
    return None


def month_of_year(reader: Reader, by: Grouping | None, measure: Measure) -> Grouping | None:
    """Read "month" as calendar months if the data has days of several years; a row per month stays a month."""
    if by is None or by.grain != "month" or by.column.months <= 13:
        return by
    is_single = reader.row_grain == "month" and not measure.is_given
    return by if is_single else Grouping(by.column, "month of the year")


def by_group(reader: Reader, decided: Decided) -> Grouping | None:
    if "group" in decided:
        return reader.grouping(decided["group"], "")
    for _, end in reader.sentence.spans(cues.BY):
        grouping = group_after(reader, end)
        if grouping is not None:
            return grouping
        number = reader.after(end, lambda each: bool(each.columns))
        if number is not None and number.columns[0].can_group:
            reader.use(number)
            return Grouping(number.columns[0])
    return None
