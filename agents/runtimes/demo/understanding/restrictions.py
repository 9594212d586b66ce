"""Restrictions of a question: years and months, bounds of numbers, values of columns."""

from __future__ import annotations

from agents.runtimes.demo.language import cues, word_lists
from agents.runtimes.demo.language.concepts import concepts
from agents.runtimes.demo.request import Filter
from agents.runtimes.demo.table_columns import Column, Kind
from agents.runtimes.demo.understanding.measures import is_event
from agents.runtimes.demo.understanding.mentions import Mention
from agents.runtimes.demo.understanding.reader import YEARS, Reader, month_number

MODAL = frozenset({"may", "march", "mar", "sun", "dec", "mai"})
"""Month names that are also ordinary words when written in lower case."""


def take_flags(reader: Reader, *, anywhere: bool = False) -> list[Filter]:
    """Return filters on flags after a word such as "in" or "with", or `anywhere`: the rows where they are yes."""
    found = []
    for mention in reader.free():
        flags = [column for column in mention.columns if column.kind is Kind.FLAG]
        before = mention.start - 1
        while before >= 0 and reader.sentence.words[before] in ("the", "a", "an", "den", "dem", "der", "die", "das"):
            before -= 1
        word = reader.sentence.words[before] if before >= 0 else ""
        if flags and (anywhere or word in word_lists.RESTRICTING):
            reader.use(mention)
            is_not = word in ("without", "excluding", "except", "ohne", "ausser")
            found.append(Filter(flags[0], "!=" if is_not else "=", (flags[0].yes,)))
    return found


def years_named(reader: Reader) -> list[str]:
    """Return the years that stand alone, two of which can be compared."""
    return list(dict.fromkeys(word for word in reader.sentence.words if _year(word) and not word.endswith("s")))


def take_times(reader: Reader) -> list[Filter]:
    """Return the years and months of the question as filters on the table's time column."""
    time = reader.table.time()
    if time is None:
        return []
    return [*_take_years(reader, time), *_take_months(reader, time)]


def _take_years(reader: Reader, time: Column) -> list[Filter]:
    words = reader.sentence.words
    years = [
        at for at, word in enumerate(words) if _year(word) and at not in reader.used and not _is_amount(reader, at)
    ]
    if not years:
        return []
    grain = "year" if time.kind is Kind.DATE else ""
    first = years[0]
    decade = next((at for at in years if words[at].endswith("s")), None)
    if decade is not None or (
        first + 1 < len(words) and words[first + 1] in ("s", "er") and words[first].endswith("0")
    ):
        at = first if decade is None else decade
        reader.used |= {at, at + 1} if decade is None else {at}
        begin = int(words[at].rstrip("s"))
        return [Filter(time, "between", (str(begin), str(begin + 9)), grain)]
    reader.used |= set(years) | {word.at for word in reader.grains if word.at + 1 in years}
    if len(years) >= 2 and any(
        word in ("between", "from", "zwischen", "von") for word in words[max(0, first - 2) : first]
    ):
        low, high = sorted((words[years[0]], words[years[1]]))
        return [Filter(time, "between", (low, high), grain)]
    before = words[first - 1] if first else ""
    if cues.SINCE.fullmatch(before) and before != "from":
        operator = ">" if before in ("after", "nach") else ">="
        return [Filter(time, operator, (words[first],), grain)]
    if cues.UNTIL.fullmatch(before):
        return [Filter(time, "<" if before in ("before", "vor") else "<=", (words[first],), grain)]
    return [Filter(time, "=", tuple(dict.fromkeys(words[at] for at in years)), grain)]


def _take_months(reader: Reader, time: Column) -> list[Filter]:
    if time.kind is not Kind.DATE:
        return []
    found = []
    for at, token in enumerate(reader.sentence.tokens):
        is_word_alone = token.word in MODAL and not token.text[0].isupper()
        number = 0 if at in reader.used or is_word_alone or token.word == "sun" else month_number(token.word)
        if number:
            reader.used.add(at)
            found.append(f"{number:02}")
    return [Filter(time, "=", tuple(dict.fromkeys(found)), "month of the year")] if found else []


def take_numbers(reader: Reader) -> list[Filter]:
    """Return the bounds of the question as filters: "over 200 horsepower", "older than 30", "8 cylinders"."""
    found = []
    for at in range(len(reader.sentence.words)):
        number = reader.sentence.number_at(at)
        if number is None or at in reader.used:
            continue
        operator, begin = _operator(reader, at)
        mention = _beside(reader, begin, at + 1, is_compared=bool(operator))
        if mention is None:
            continue
        column = _by_operator([each for each in mention.columns if each.is_number], operator)
        reader.use(mention)
        reader.used |= set(range(begin, at + 1))
        found.append(Filter(column, operator or "=", (f"{number:g}",)))
    return found


def _by_operator(columns: list[Column], operator: str) -> Column:
    """Choose temp_max of temp_max and temp_min if it has to be over a number."""
    mark = "high" if operator.startswith(">") else "low"
    return next((each for each in columns if any(mark in concepts(word) for word in each.tokens)), columns[0])


def _operator(reader: Reader, at: int) -> tuple[str, int]:
    """Return the comparison before the number, and its position."""
    for sign, pattern in cues.COMPARATORS:
        for start, end in reader.sentence.spans(pattern):
            if end == at:
                return sign, start
    return "", at


def _beside(reader: Reader, begin: int, end: int, *, is_compared: bool) -> Mention | None:
    """Return the number's column: right after it, or right before the comparison."""
    words = reader.sentence.words
    for mention in reader.free():
        if not any(column.is_number and not column.is_year for column in mention.columns):
            continue
        gap = words[end : mention.start] if mention.start >= end else words[mention.end : begin]
        is_near = all(word in ("of", "in", "is", "was", "are", "has", "a", "the", "ist", "von") for word in gap)
        few = any(column.is_number and column.distinct <= 20 for column in mention.columns)
        if len(gap) <= 2 and is_near and (is_compared or few):
            return mention
    return None


def take_values(reader: Reader, *, besides: Column | None = None) -> list[Filter]:
    """Return the values that the question names as filters; several of one column mean any of them."""
    found: dict[str, tuple[Column, list[str], str]] = {}
    for mention in reader.free():
        values = [each for each in mention.values if each.column != besides]
        if not values or mention.value_fit < 0.7:
            continue
        if is_event(mention):
            reader.use(mention)
            continue
        best = values[0]
        reader.use(mention)
        reader.used |= {word.at for word in reader.grains if word.at == mention.end}  # snow days
        before = reader.sentence.words[max(0, mention.start - 2) : mention.start]
        is_not = any(word in ("without", "excluding", "except", "not", "ohne", "ausser", "nicht") for word in before)
        _, known, _ = found.setdefault(best.column.name, (best.column, [], "!=" if is_not else "="))
        known += [each.value for each in values if each.column == best.column and each.value not in known][:1]
    return [Filter(column, operator, tuple(values)) for column, values, operator in found.values()]


def _year(word: str) -> bool:
    digits = word.removesuffix("s")
    return len(digits) == 4 and digits.isdigit() and int(digits) in YEARS


def _is_amount(reader: Reader, at: int) -> bool:
    """Return True if a four-digit number is compared with a column, as in "over 2000 lbs"."""
    operator, begin = _operator(reader, at)
    return bool(operator) and _beside(reader, begin, at + 1, is_compared=True) is not None
