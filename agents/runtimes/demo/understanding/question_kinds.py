"""Detection of a question's kind."""

from __future__ import annotations

import re

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.request import Ask
from agents.runtimes.demo.understanding.mentions import Mention
from agents.runtimes.demo.understanding.reader import Reader
from agents.runtimes.demo.understanding.restrictions import years_named

OPEN = re.compile(r"^(?:what|which|why|wovon|was|welche?[nrsm]?|warum|weshalb|woran)\b")
"""Beginnings of open questions, which ask for something that they do not name."""
CLOSED = re.compile(
    r"^(?:is|are|was|were|do|does|did|have|has|ist|sind|war|waren|hat|haben|hatten?|verdienen|kosten|verbrauchen)\b"
)
"""Beginnings of questions that can be answered with yes or no."""
REST = re.compile(r"\b(?:others?|rest|average|everyone else|anderen?|ubrigen|durchschnitt)\b")
GROWS = re.compile(
    r"\b(?:grow(?:n|th|s|ing)?|grew|increas\w*|decreas\w*|declin\w*|rise|rose|risen|fall(?:en)?|fell|dropp?\w*|change[ds]?|gain\w*|lost|"
    r"wachs\w*|gewachsen|gestiegen|anstieg|zugenommen|abgenommen|zunahme|abnahme|ruckgang|gesunken|gefallen|veranderung|verandert|"
    r"zugelegt|verloren)\b"
)
WITH = re.compile(r"\b(?:with|mit)\b")


def kind_of(reader: Reader) -> Ask | None:
    """Return the kind, or None if the words do not reveal it."""
    sentence = reader.sentence
    if sentence.has(cues.MISSING):
        return Ask.MISSING
    if sentence.has(cues.PERIODS) and reader.table.time() is not None:
        return Ask.PERIODS
    if _lists(reader):
        return Ask.LIST
    return _connection(reader) or _extreme(reader) or _comparison(reader) or _figure(reader) or _by_names(reader)


def _lists(reader: Reader) -> bool:
    """Return True if matching rows are asked for: which cars have more than 200 horsepower?"""
    sentence = reader.sentence
    begins = re.match(r"^(?:which|what|list|show|find|welche|zeige?|liste|finde)\b", sentence.plain)
    compares = any(
        sentence.number_at(end) is not None for _, each in cues.COMPARATORS for _, end in sentence.spans(each)
    )
    return bool(begins) and compares and reader.superlative is None and not sentence.has(cues.COUNT)


def _connection(reader: Reader) -> Ask | None:
    """Detect relations and drivers."""
    sentence = reader.sentence
    named = [mention for mention in reader.mentions if mention.columns]
    if sentence.has(cues.DISTRIBUTION) and not sentence.has(cues.DRIVES):
        return None
    if sentence.has(cues.RELATION):
        return Ask.RELATION if len(named) >= 2 else Ask.DRIVERS
    if not sentence.has(cues.DRIVES):
        return None
    return Ask.RELATION if len(named) >= 2 and _both_sides(reader, named) else Ask.DRIVERS


def _both_sides(reader: Reader, named: list[Mention]) -> bool:
    """Return True if the question names both sides of a relation instead of asking for one."""
    if OPEN.match(reader.sentence.plain):
        return False
    by = [end for _, end in reader.sentence.spans(cues.BY)]
    return not any(mention.start in by for mention in named)


def _extreme(reader: Reader) -> Ask | None:
    sentence = reader.sentence
    if reader.superlative is None and not sentence.has(cues.OFTEN):
        return None
    if sentence.has(GROWS) and not any(
        mention.columns and _is_grow_word(reader, mention) for mention in reader.mentions
    ):
        return Ask.GROWTH
    return Ask.TOP if count_wanted(reader) > 1 else Ask.EXTREME


def _is_grow_word(reader: Reader, mention: Mention) -> bool:
    return any(GROWS.fullmatch(word) for word in reader.sentence.words[mention.start : mention.end])


def _comparison(reader: Reader) -> Ask | None:
    sentence = reader.sentence
    compares = sentence.has(cues.COMPARE) or (sentence.has(cues.THAN) and not _is_number_after_than(reader))
    two = same_column_values(reader)
    comparatives = [each for each in sentence.adjectives if each.degree == "comparative"]
    is_more = bool(comparatives) or re.search(
        r"\b(?:more|less|higher|lower|mehr|weniger|hoher|niedriger)\b", sentence.plain
    )
    if is_more and CLOSED.match(sentence.plain) and len(two) == 1 and not _is_number_after_than(reader):
        return Ask.COMPARE
    if compares and (len(two) >= 2 or (two and REST.search(sentence.plain)) or compares_years(reader)):
        return Ask.COMPARE
    numbers = [mention for mention in reader.mentions if any(column.can_be_measured for column in mention.columns)]
    if compares and len(numbers) >= 2 and not sentence.has(cues.BY):
        return Ask.COMPARE
    if sentence.has(cues.TREND):
        is_relation = len(numbers) >= 2 and not sentence.has(cues.TIME_PHRASE) and sentence.has(WITH)
        return Ask.RELATION if is_relation else Ask.TREND
    if len(numbers) >= 2 and is_more and CLOSED.match(sentence.plain) and not sentence.has(cues.THAN):
        return Ask.RELATION
    return None


def compares_years(reader: Reader) -> bool:
    """Return True if two years are compared, rather than the ends of a time span."""
    return reader.table.time() is not None and len(years_named(reader)) == 2


def _is_number_after_than(reader: Reader) -> bool:
    ends = [end for _, end in reader.sentence.spans(cues.THAN)]
    return any(reader.sentence.number_at(end) is not None for end in ends) and not compares_years(reader)


def same_column_values(reader: Reader) -> list[str]:
    """Return the values of one column that the question names; the column with most of them."""
    found: dict[str, list[str]] = {}
    for mention in reader.mentions:
        for value in mention.values:
            known = found.setdefault(value.column.name, [])
            if value.value not in known:
                known.append(value.value)
                break
    return max(found.values(), key=len, default=[])


def _figure(reader: Reader) -> Ask | None:
    sentence = reader.sentence
    if sentence.has(cues.DISTRIBUTION):
        return Ask.DISTRIBUTION
    if any(sentence.has(pattern) for pattern in (cues.DISTINCT, cues.SHARE, cues.COUNT)):
        return Ask.FIGURE
    if any(sentence.has(pattern) for _, pattern in cues.AGGREGATES):
        return Ask.FIGURE
    return Ask.FIGURE if sentence.has(cues.BY) and any(mention.columns for mention in reader.mentions) else None


def _by_names(reader: Reader) -> Ask | None:
    """Detect the kind from the named columns and values alone."""
    numbers = [mention for mention in reader.mentions if any(column.can_be_measured for column in mention.columns)]
    groups = [mention for mention in reader.mentions if any(column.names_groups for column in mention.columns)]
    if len(same_column_values(reader)) >= 2:
        return Ask.COMPARE
    if len(numbers) >= 2:
        return Ask.RELATION
    if numbers and (groups or any(mention.values for mention in reader.mentions)):
        return Ask.FIGURE
    if numbers:
        return (
            Ask.FIGURE
            if re.match(r"^(?:how (?:much|old|long|big|high)|wie)\b", reader.sentence.plain)
            else Ask.DISTRIBUTION
        )
    if reader.mentions and not reader.sentence.has(cues.OVERVIEW):
        is_open = reader.sentence.has(cues.WHICH) and not reader.sentence.has(cues.EXISTS)
        return None if is_open and not reader.mentions[0].values else Ask.FIGURE
    return Ask.OVERVIEW if reader.sentence.has(cues.OVERVIEW) else None


def count_wanted(reader: Reader) -> int:
    """Return how many of the highest or lowest are asked for: top 5, the two oldest, the 3 cheapest."""
    sentence = reader.sentence
    places = {at for start, end in [*sentence.spans(cues.HIGH), *sentence.spans(cues.LOW)] for at in range(start, end)}
    places |= {each.at for each in sentence.adjectives if each.degree == "superlative"}
    if places:
        places |= {end - 1 for _, end in sentence.spans(cues.WHICH)}
    for place in sorted(places):
        for at in (place + 1, place - 1, place - 2):
            number = sentence.number_at(at)
            if number is None or not number.is_integer() or not 2 <= number <= 100:
                continue
            is_between = at != place - 2 or sentence.words[place - 1] in ("most", "least", "am", "meist", "best")
            if is_between or sentence.words[place - 1] not in ("of", "in"):
                reader.used.add(at)
                return int(number)
    if re.search(r"\btop\b", sentence.plain) and not sentence.has(cues.WHICH):
        return 10
    return 1
