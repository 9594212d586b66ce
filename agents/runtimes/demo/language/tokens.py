"""Tokens of questions and column names, and the forms under which two words count as equal."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

TOKEN = re.compile(r"\d[\d.,]*\d|\d+(?:st|nd|rd|th)\b|[^\W_]+", re.IGNORECASE)
CAMEL = re.compile(r"(?<=[a-zäöüß])(?=[A-ZÄÖÜ])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
LETTERS_DIGITS = re.compile(r"(?<=[^\W\d_]{3})(?=\d)")
ENDINGS = (
    "iest", "ness", "innen", "sten", "ing", "ies", "ied", "est", "ste", "ern", "ers", "end", "ed", "es", "en", "er",
    "em", "ly", "te", "ten", "t", "s", "e", "n",
)  # fmt: skip
IRREGULAR = {
    "men": "man", "women": "woman", "people": "person", "children": "child", "mice": "mouse", "feet": "foot",
    "died": "death", "dead": "death", "die": "death", "sold": "sell", "spent": "spend", "grew": "grow",
    "fell": "fall", "rose": "rise", "hottest": "hot", "biggest": "big", "driest": "dry", "paid": "pay",
    "made": "make", "bought": "buy", "cost": "cost", "won": "win", "heavier": "heavy", "heaviest": "heavy",
    "gestiegen": "steigen", "stieg": "steigen", "gefallen": "fallen", "fiel": "fallen", "gestorben": "sterben",
    "starben": "sterben", "verkauft": "verkaufen", "gewachsen": "wachsen", "zugenommen": "zunehmen",
    "abgenommen": "abnehmen", "gesunken": "sinken", "sank": "sinken",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One word or number of a text. `text` is as written; `word` is folded: lower case, no accents, ß as ss."""

    text: str
    word: str
    start: int
    end: int
    is_first: bool
    """True at the start of a sentence, where a capital letter means nothing."""

    @property
    def is_number(self) -> bool:
        return self.word[0].isdigit()

    @property
    def is_name(self) -> bool:
        """Return True for a capitalised word inside a sentence. In German, all nouns are."""
        return self.text[0].isupper() and not self.is_first


def tokens(text: str) -> list[Token]:
    """Return the words and numbers of the text; camelCase and letters before digits are split as in column names."""
    found: list[Token] = []
    last_end = 0
    for match in TOKEN.finditer(text):
        between = text[last_end : match.start()]
        is_first = not found or bool(re.search(r"[.!?:]\s|\n|[“\"]", between))
        offset = match.start()
        for part in parts(match.group()):
            found.append(Token(part, fold(part), offset, offset + len(part), is_first))
            offset += len(part)
            is_first = False
        last_end = match.end()
    return found


def name_tokens(name: str) -> list[str]:
    """Return the folded words of a column's name: `Miles_per_Gallon` is miles, per, gallon."""
    return [fold(part) for match in TOKEN.finditer(name) for part in parts(match.group())]


def parts(word: str) -> list[str]:
    """Split `sepalLength` into two words and `BILLS104` into letters and digits; leave anything else."""
    if word.isdigit():
        return [word]
    return [piece for camel in CAMEL.split(word) for piece in LETTERS_DIGITS.split(camel) if piece]


@lru_cache(maxsize=8192)
def fold(text: str) -> str:
    """Convert to lower case, ß to ss, and remove accents."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


@lru_cache(maxsize=8192)
def forms(word: str) -> frozenset[str]:
    """Return the folded word and its stems of at least three letters."""
    word = IRREGULAR.get(word, word)
    found = {word}
    if not word.isalpha():
        return frozenset(found)
    for ending in ENDINGS:
        stem = word[: -len(ending)]
        if word.endswith(ending) and len(stem) >= 3:
            found |= _completed(stem, ending)
    if len(word) > 4 and word.endswith("y"):
        found.add(word[:-1])
    return frozenset(found)


def _completed(stem: str, ending: str) -> set[str]:
    """Return the dictionary forms that the stem may have: `citi` is city, `shipp` is ship."""
    found = {stem}
    if ending in ("ies", "ied", "iest"):
        found.add(stem + "y")
    if len(stem) > 3 and stem[-1] == stem[-2]:
        found.add(stem[:-1])
    if stem.endswith("e") and len(stem) > 3:
        found.add(stem[:-1])
    return found


@lru_cache(maxsize=32768)
def likeness(asked: str, known: str) -> float:
    """Return how likely two folded words are the same: 1 equal, 0.96 inflected, 0.75 abbreviated, 0.7 misspelt."""
    if asked == known:
        return 1.0
    if forms(asked) & forms(known):
        return 0.96
    if len(known) >= 4 and len(asked) >= len(known) + 2 and asked.startswith(known):
        return 0.75
    if len(asked) >= 4 and len(known) >= len(asked) + 2 and known.startswith(asked):
        return 0.75
    longest = max(len(asked), len(known))
    if min(len(asked), len(known)) >= 5 and _distance(asked, known) <= (1 if longest < 9 else 2):
        return 0.7
    return 0.0


def _distance(a: str, b: str) -> int:
    """Return the edit distance, at most 3; two swapped letters count as one edit."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, right in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]


def stems(text: str) -> set[str]:
    """Return the forms of the words of a text, so that "refunds" matches "refunded"."""
    return {form for word in name_tokens(text) if len(word) > 2 for form in forms(word)}
