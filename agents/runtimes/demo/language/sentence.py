"""One sentence of a question, with the positions of its cues."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from agents.runtimes.demo.language import cues, word_lists
from agents.runtimes.demo.language.tokens import Token, forms, tokens
from agents.runtimes.demo.language.word_lists import set_of

SPLIT = re.compile(r"(?<=[.?!])\s+|\n+|;\s+|(?:,\s*|\s+)(?:and also|und auch)\s+")
INSTRUCTION = re.compile(
    r"^(?:please |bitte |then |and |also )*(?:write|draw|send|mail|email|save|create|make|look at every|"
    r"look at all|include|"
    r"keep|add|use|attach|report|put|do not|don t|never|be |answer|schreib\w*|zeichne\w*|erstelle\w*|sende\w*|"
    r"schick\w*|"
    r"speicher\w*|verwende\w*|nutze\w*|fuge\w*|mach\w*|antwort\w*)\b"
)
FILE_NAME = re.compile(r"\S+\.(?:csv|tsv|tab|parquet|xlsx?|xlsm|jsonl?|ndjson|md|txt)\b", re.IGNORECASE)
GERMAN = set_of(
    "der die das und ist sind welche welcher welches wie was wer wo wann warum nach je pro im fur mit von "
    "den dem ein eine einen hat haben viele wird werden wurde zwischen uber sich nicht am meisten hangt"
)
ENGLISH = set_of("the of is are which what how who where when why by in and has have does do did most many")
SUPERLATIVE = re.compile(r"\w{2,}(?:est|ste[nrsm]?|sten)")
COMPARATIVE = re.compile(r"\w{3,}er")


@dataclass(frozen=True, slots=True)
class Adjective:
    """A word such as oldest, older or old."""

    at: int
    concept: str
    is_high: bool
    degree: str
    """One of superlative, comparative, plain."""


class Sentence:
    """Tokens of one sentence. Positions are token indexes."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        self.tokens: list[Token] = tokens(FILE_NAME.sub(" ", text))
        self.words = [token.word for token in self.tokens]
        self.plain = " ".join(self.words)
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        offset = 0
        for at, word in enumerate(self.words):
            self._starts[offset] = at
            self._ends[offset + len(word)] = at + 1
            offset += len(word) + 1

    def spans(self, pattern: re.Pattern[str]) -> list[tuple[int, int]]:
        """Return the (start, end) positions of whole-word matches."""
        found = []
        for match in pattern.finditer(self.plain):
            start, end = self._starts.get(match.start()), self._ends.get(match.end())
            if start is not None and end is not None and end > start:
                found.append((start, end))
        return found

    def first(self, pattern: re.Pattern[str]) -> tuple[int, int] | None:
        return next(iter(self.spans(pattern)), None)

    def has(self, pattern: re.Pattern[str]) -> bool:
        return pattern.search(self.plain) is not None

    @cached_property
    def is_german(self) -> bool:
        words = set(self.words)
        return len(words & GERMAN) > len(words & ENGLISH)

    @cached_property
    def adjectives(self) -> list[Adjective]:
        found = []
        for at, word in enumerate(self.words):
            known = _adjective(word)
            if known is None:
                continue
            concept, is_high = known
            before = self.words[at - 1] if at else ""
            degree = "plain"
            if SUPERLATIVE.fullmatch(word) or before in ("most", "least", "am", "meist", "wenigsten", "meisten"):
                degree = "superlative"
            elif COMPARATIVE.fullmatch(word) or before in ("more", "less", "mehr", "weniger"):
                degree = "comparative"
            if before in ("least", "less", "wenigsten", "weniger"):
                is_high = not is_high
            found.append(Adjective(at, concept, is_high, degree))
        return found

    @cached_property
    def superlative(self) -> Adjective | None:
        """Return the superlative that the sentence asks for, and its subject if the word itself names one."""
        about = next((each for each in self.adjectives if each.degree == "superlative"), None)
        if about is not None:
            return about
        high, low = self.first(cues.HIGH), self.first(cues.LOW)
        if high is None and low is None:
            return None
        is_high = low is None or (high is not None and high[0] < low[0])
        place = high if is_high else low
        return Adjective(place[0] if place else 0, "", is_high, "superlative")

    def number_at(self, at: int) -> float | None:
        """Return the number at that position, in digits or as a word up to twenty; None if there is none."""
        if not 0 <= at < len(self.words):
            return None
        word = self.words[at]
        if word in word_lists.NUMBER_WORDS:
            return float(word_lists.NUMBER_WORDS[word])
        digits = re.sub(r"(?:st|nd|rd|th)$", "", word)
        digits = digits.replace(",", "") if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits) else digits
        try:
            return float(digits.replace(",", "."))
        except ValueError:
            return None


def sentences(text: str) -> list[str]:
    """Return the sentences of a prompt that ask something; instructions about the report are left out."""
    found = [part.strip() for part in SPLIT.split(text) if part.strip(" .,!?")]
    asking = [part for part in found if not INSTRUCTION.match(Sentence(part).plain) or part.endswith("?")]
    return asking or found or [text]


def _adjective(word: str) -> tuple[str, bool] | None:
    if word in word_lists.ADJECTIVES:
        return word_lists.ADJECTIVES[word]
    for form in forms(word) | {word[: -len(end)] for end in ("te", "ten", "ter", "tes") if word.endswith(end)}:
        if form in _ADJECTIVE_FORMS and (SUPERLATIVE.fullmatch(word) or COMPARATIVE.fullmatch(word)):
            return _ADJECTIVE_FORMS[form]
    return None


_ADJECTIVE_FORMS = {
    form: meaning for word, meaning in reversed(word_lists.ADJECTIVES.items()) for form in (*forms(word), word)
}
