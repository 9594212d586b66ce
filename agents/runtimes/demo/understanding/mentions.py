"""Mentions: columns and values that the words of a question name."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache

from agents.runtimes.demo.language import cues
from agents.runtimes.demo.language.concepts import HEADS, UNITS, compound, concepts
from agents.runtimes.demo.language.tokens import Token, likeness, name_tokens, tokens
from agents.runtimes.demo.language.word_lists import COMMON, set_of
from agents.runtimes.demo.table_columns import Column, Kind

SURE = 0.5
"""Likeness below which words name nothing."""
TIE = 0.03
"""Difference in fit within which columns count as equally likely."""
SAME_MEANING = 0.86
LONGEST = 6
MILEAGE = re.compile(
    r"(?P<way>(?:fuel|gas) (?:economy|efficiency|mileage)|mileage|reichweite)\b|"
    r"(?P<use>(?:fuel|petrol|gas|gasoline) (?:consumption|use|usage)|\w*verbrauch(?:en|t|s)?|consum(?:ption|"
    r"es?)|fuel|petrol|sprit|"
    r"benzin|kraftstoff|gasoline|thirst\w*|durstig\w*|sparsam\w*|efficient|economical)\b"
)
"""Words for miles per gallon: synonyms, and words for the opposite, consumption."""
GENERIC_ENDS = set_of("rate quote zahl anzahl menge wert hohe grosse")
FILLERS = set_of("of per the in von der des die das pro fur for and und a an")
DEMONYMS = set_of("n s an ian ans ians ese ish isch ische ischen ischer isches er ern ers")
STATES = dict(
    pair.split("=")
    for pair in [
        "alabama=al",
        "alaska=ak",
        "arizona=az",
        "arkansas=ar",
        "california=ca",
        "colorado=co",
        "connecticut=ct",
        "delaware=de",
        "florida=fl",
        "georgia=ga",
        "hawaii=hi",
        "idaho=id",
        "illinois=il",
        "indiana=in",
        "iowa=ia",
        "kansas=ks",
        "kentucky=ky",
        "louisiana=la",
        "maine=me",
        "maryland=md",
        "massachusetts=ma",
        "michigan=mi",
        "minnesota=mn",
        "mississippi=ms",
        "missouri=mo",
        "montana=mt",
        "nebraska=ne",
        "nevada=nv",
        "ohio=oh",
        "oklahoma=ok",
        "oregon=or",
        "pennsylvania=pa",
        "tennessee=tn",
        "texas=tx",
        "utah=ut",
        "vermont=vt",
        "virginia=va",
        "washington=wa",
        "wisconsin=wi",
        "wyoming=wy",
        "kalifornien=ca",
    ]
)


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a column."""

    column: Column
    value: str


@dataclass(frozen=True, slots=True)
class Mention:
    """Words `start` up to `end` of a question, and the columns or values they may name, best first."""

    start: int
    end: int
    columns: tuple[Column, ...] = ()
    values: tuple[Value, ...] = ()
    fit: float = 0.0
    """Likeness of the words to the names of the columns, 0 to 1."""
    value_fit: float = 0.0
    is_inverse: bool = False
    """True if the words name the opposite of the column: consumption, for miles per gallon."""

    def __contains__(self, column: Column) -> bool:
        return column in self.columns

    def only(self, columns: Sequence[Column]) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column in columns)


@dataclass(slots=True)
class _Window:
    start: int
    end: int
    score: float
    words: int
    column: Column
    value: str = ""
    is_inverse: bool = False


@dataclass(slots=True)
class Words:
    """Tokens of one question. Tokens in `blocked` name nothing; those in `weak`, the cues, nothing on their own."""

    tokens: Sequence[Token]
    blocked: Set[int] = field(default_factory=frozenset)
    weak: Set[int] = field(default_factory=frozenset)

    def likeness(self, at: int, known: str) -> float:
        return 0.0 if at in self.blocked else _likeness(self.tokens[at].word, known)


def mentions(
    words_of: Sequence[Token],
    columns: Sequence[Column],
    blocked: Set[int] = frozenset(),
    weak: Set[int] = frozenset(),
) -> list[Mention]:
    """Return the mentions in order, without overlaps."""
    words = Words(words_of, blocked, weak)
    windows = [window for column in columns for window in _column_windows(words, column)]
    windows += [window for column in columns for window in _value_windows(words, column)]
    windows.sort(key=lambda window: (-(window.score + 0.04 * window.words), window.start))
    found: list[Mention] = []
    taken: set[int] = set()
    for window in windows:
        places = set(range(window.start, window.end))
        if places & taken:
            continue
        taken |= places
        found.append(_mention(window, windows))
    return sorted(found, key=lambda mention: mention.start)


def columns_named(columns: Sequence[Column], text: str) -> list[Column]:
    """Return the columns that a text names, in its order; the first one if a word is ambiguous."""
    return [mention.columns[0] for mention in mentions(tokens(text), columns) if mention.columns]


def _mention(best: _Window, windows: Sequence[_Window]) -> Mention:
    """Combine the best window with all others that match the same words about as well."""
    same = [each for each in windows if each.start < best.end and best.start < each.end]
    named = [each for each in same if not each.value and each.words >= best.words]
    top = max((each.score for each in named), default=0.0)
    columns = {each.column.name: each for each in named if each.score >= top - TIE}
    values = [each for each in same if each.value and each.words >= best.words]
    return Mention(
        best.start,
        best.end,
        tuple(sorted((each.column for each in columns.values()), key=lambda column: column.names_a_code)),
        tuple(Value(each.column, each.value) for each in values),
        top,
        max((each.score for each in values), default=0.0),
        bool(columns) and all(each.is_inverse for each in columns.values()),
    )


def _column_windows(words: Words, column: Column) -> list[_Window]:
    """Return the windows of at most LONGEST words that name the column."""
    own = list(column.tokens) or name_tokens(column.name)
    whole = "".join(name_tokens(column.name))
    found = []
    for start in range(len(words.tokens)):
        if start in words.blocked or (words.tokens[start].word in FILLERS and len(own) > 1):
            continue
        if start not in words.weak and (window := _whole_name(words, start, column, own, whole)):
            found.append(window)
        for end in range(start + 1, min(start + LONGEST, len(words.tokens)) + 1):
            score, matched = _score(words, start, end, own)
            if score >= SURE:
                found.append(_Window(start, end, score, matched, column))
    return found


def _whole_name(words: Words, start: int, column: Column, own: Sequence[str], whole: str) -> _Window | None:
    """Match `sun activity` to SUNACTIVITY, `mpg` to Miles_per_Gallon, `consumption` to WORLDCONSUMPTION."""
    word = words.tokens[start].word
    for end in (start + 2, start + 3):
        joined = "".join(token.word for token in words.tokens[start:end])
        if end <= len(words.tokens) and len(joined) > 4 and joined == whole and end - start != len(own):
            return _Window(start, end, 1.0, end - start, column)
    if len(own) > 1 and word == whole:
        return _Window(start, start + 1, 1.0, len(own), column)
    if _is_mileage(own) and (found := MILEAGE.match(" ".join(each.word for each in words.tokens[start : start + 3]))):
        length = len(found.group().split())
        is_inverse = found.lastgroup == "use"
        return _Window(start, start + length, 0.95, length, column, is_inverse=is_inverse)
    if 2 <= len(word) <= 5 and word == "".join(token[0] for token in own) and len(own) > 1:
        return _Window(start, start + 1, 0.9, 1, column)
    inside = len(word) >= 5 and any(word in token and len(token) > len(word) + 1 for token in own)
    return _Window(start, start + 1, 0.7, 1, column) if inside and word not in COMMON else None


def _score(words: Words, start: int, end: int, own: Sequence[str]) -> tuple[float, int]:
    """Return how well the words name the column, and how many of them do."""
    matched: dict[str, float] = {}
    anchored = False
    missed = 0
    for at in range(start, end):
        word = words.tokens[at].word
        found = _matches(words, at, own)
        if not found or all(token in matched for token, _ in found):
            if at in (start, end - 1) or word not in FILLERS:
                return 0.0, 0
            continue
        missed += len(found) < len(_pieces(word)) and len(found) == 1 and found[0][1] < 0.95
        matched |= dict(found)
        anchored = anchored or at not in words.weak
    if not matched or not anchored:
        return 0.0, 0
    weight = {token: 0.05 if token in UNITS else 1.0 for token in own}
    coverage = sum(weight[token] for token in matched) / sum(weight.values())
    mean = sum(matched.values()) / len(matched)
    return mean * (0.55 + 0.45 * coverage) * 0.75**missed, len(matched)


def _matches(words: Words, at: int, own: Sequence[str]) -> list[tuple[str, float]]:
    """Return the tokens of a name that a word matches: one, or two if it is a compound of both."""
    whole = max(own, key=lambda token: words.likeness(at, token))
    quality = words.likeness(at, whole)
    if quality >= 0.95:
        return [(whole, quality)]
    found: dict[str, float] = {}
    for piece in _pieces(words.tokens[at].word) if at not in words.blocked else ():
        best = max(own, key=lambda token, piece=piece: _likeness(piece, token))  # type: ignore[misc]
        if _likeness(piece, best) >= 0.7:
            found[best] = 0.97 * _likeness(piece, best)
    if len(found) > 1:
        return list(found.items())
    return [(whole, quality)] if quality >= 0.6 else []


@lru_cache(maxsize=4096)
def _pieces(word: str) -> tuple[str, ...]:
    """Return the significant parts of a compound: `kupferpreis` is kupfer and preis, `mordrate` only mord."""
    if any(pattern.fullmatch(word) for _, pattern in cues.GRAINS):
        return ()
    return tuple(piece for piece in compound(word) if piece not in HEADS and piece not in GENERIC_ENDS)


def _is_mileage(own: Sequence[str]) -> bool:
    parts = (own[0], own[-1])
    return parts[0] in ("mpg", "miles", "mi", "km", "kilometers") and parts[1] in (
        "mpg",
        "gallon",
        "gal",
        "liter",
        "litre",
    )


@lru_cache(maxsize=65536)
def _likeness(word: str, known: str) -> float:
    """Compare a word of the question with one of a name: exactly, by meaning, or by half of a compound."""
    found = likeness(word, known)
    if word in COMMON and found < 0.95:
        return 0.0
    if found < SAME_MEANING and concepts(word) & concepts(known):
        found = SAME_MEANING
    for piece in compound(word):
        found = max(found, 0.97 * likeness(piece, known))
        if concepts(piece) & concepts(known):
            found = max(found, 0.97 * SAME_MEANING)
    return found


def _value_windows(words: Words, column: Column) -> list[_Window]:
    """Return the windows of words that equal one of the column's values."""
    if column.kind is Kind.FLAG or column.is_number or column.is_date:
        return []
    found = []
    for value in column.values:
        own = name_tokens(value)
        if not own or len(own) > LONGEST:
            continue
        for start in range(len(words.tokens) - len(own) + 1):
            score = _value_score(words, start, own, value)
            if score >= (0.99 if column.kind is Kind.KEY else SURE):
                found.append(_Window(start, start + len(own), score, len(own), column, value))
        found += _whole_values(words, column, value, own)
    return found


def _value_score(words: Words, start: int, own: Sequence[str], value: str) -> float:
    """Score the words of the value in their order; a value of one or two letters must match exactly."""
    total = 0.0
    for at, known in enumerate(own, start):
        token = words.tokens[at]
        if at in words.blocked or (at in words.weak and token.word != known):
            return 0.0
        if len(value) <= 2:
            is_it = token.text == value or (len(value) == 2 and STATES.get(token.word) == value.lower())
            quality = (1.0 if is_it else 0.0) or _code_of_gender(token.word, value)
        else:
            quality = _likeness(token.word, known) if token.word not in COMMON or token.word == known else 0.0
            quality = max(quality, _as_adjective(token.word, known))
        if quality < 0.7:
            return 0.0
        total += quality
    return total / len(own)


def _whole_values(words: Words, column: Column, value: str, own: Sequence[str]) -> list[_Window]:
    """Match two-word states with their codes: New York is NY."""
    if len(value) != 2 or not value.isupper():
        return []
    found = []
    for start in range(len(words.tokens) - 1):
        first, second = words.tokens[start].word, words.tokens[start + 1].word
        if first in ("new", "north", "south", "west", "rhode") and (first[0] + second[0]).upper() == value:
            found.append(_Window(start, start + 2, 1.0, 2, column, value))
    return found


def _as_adjective(word: str, known: str) -> float:
    """Match `japanese` to Japan."""
    if len(known) < 4 or word in COMMON or not word.startswith(known[:-1]):
        return 0.0
    return 0.9 if word[len(known) - 1 :].removeprefix(known[-1]) in DEMONYMS else 0.0


def _code_of_gender(word: str, value: str) -> float:
    meaning = {"m": "male", "f": "female", "w": "female"}.get(value.lower())
    return 0.9 if meaning and meaning in concepts(word) else 0.0
