"""Reader of one question: assigns its words to group, measure and restriction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from agents.runtimes.demo.language import cues, word_lists
from agents.runtimes.demo.language.concepts import MONTHS, concepts
from agents.runtimes.demo.language.sentence import Adjective, Sentence
from agents.runtimes.demo.language.tokens import likeness
from agents.runtimes.demo.request import CYCLES, Grouping
from agents.runtimes.demo.table import Table
from agents.runtimes.demo.table_columns import CODES, Column, Kind, telling_tokens
from agents.runtimes.demo.understanding.mentions import FILLERS, Mention, mentions

NEAR = 4
"""Words between a cue and its subject, at most."""
YEARS = range(1000, 2201)


@dataclass(frozen=True, slots=True)
class GrainWord:
    """A word such as month or weekly."""

    at: int
    grain: str


class Reader:
    """One question about one table; `used` holds the positions of words that are assigned already."""

    def __init__(self, sentence: Sentence, table: Table) -> None:
        self.sentence = sentence
        self.table = table
        self.columns = table.asked
        self.used: set[int] = set()
        self.mentions = self._mentions()
        self.grains = self._grains()

    @cached_property
    def superlative(self) -> Adjective | None:
        """Return the superlative, unless the word is part of a column's name, as in temp_max."""
        sought = self.sentence.superlative
        if sought is None or sought.concept:
            return sought
        for mention in self.mentions:
            is_name = mention.start <= sought.at < mention.end and mention.end - mention.start > 1
            if is_name and not mention.is_inverse:
                return None
        return sought

    @cached_property
    def row_grain(self) -> str:
        """Return day, month or year if each row is one, else ""."""
        time = self.table.time()
        if time is None:
            return ""
        rows = self.table.asked_rows
        if time.kind is Kind.DATE:
            return time.rhythm if rows in (time.days, time.months) else ""
        return "year" if time.distinct == rows else ""

    # ---- Looking

    def free(self) -> list[Mention]:
        """Return the unassigned mentions in their order."""
        return [each for each in self.mentions if not self.used & set(range(each.start, each.end))]

    def use(self, mention: Mention) -> Mention:
        self.used |= set(range(mention.start, mention.end))
        return mention

    def after(self, end: int, wanted: Callable[[Mention], bool]) -> Mention | None:
        """Return the first free mention shortly after the position that is `wanted`."""
        for mention in self.free():
            if end <= mention.start <= end + NEAR and wanted(mention) and self._is_plain(end, mention.start):
                return mention
        return None

    def grain_after(self, end: int) -> GrainWord | None:
        """Return the time span named shortly after the position."""
        for word in self.grains:
            if end <= word.at <= end + 2 and self._is_plain(end, word.at):
                return word
        return None

    def text_of(self, mention: Mention) -> str:
        return " ".join(token.text for token in self.sentence.tokens[mention.start : mention.end])

    def grouping_of(self, mention: Mention) -> Grouping | None:
        """Return the grouping that the mention names; of a date, by the span of its word."""
        named = [column for column in mention.columns if column.names_groups or column.is_time]
        if not named:
            return None
        grain = next((word.grain for word in self.grains if mention.start <= word.at < mention.end), "")
        return self.grouping(named[0], grain)

    def grouping(self, column: Column, grain: str) -> Grouping:
        """Return the grouping by the column and span; parts of years use the date column if there is one."""
        date = next((each for each in self.columns if each.kind is Kind.DATE), None)
        if grain and date is not None and (column.kind is Kind.DATE or column.is_year or column.is_part_of_year):
            return Grouping(date, grain)
        if column.kind is Kind.DATE:
            return Grouping(column, grain or column.rhythm)
        return Grouping(column, "decade" if grain == "decade" and column.is_year else "")

    def time_grouping(self, grain: str) -> Grouping | None:
        """Return a grouping by a span that is not a column itself, such as the months of a date."""
        column = self.table.time()
        if column is None or (column.is_year and grain not in ("", "year", "decade")):
            return None
        return self.grouping(column, grain)

    # ---- Left over

    def unused(self) -> list[int]:
        """Return the positions of unassigned words that may matter."""
        found = []
        for at, token in enumerate(self.sentence.tokens):
            if (
                at in self.used
                or token.word in word_lists.COMMON
                or token.word in word_lists.ENTITIES
                or len(token.word) < 2
            ):
                continue
            if at in self._cue_places() or self.is_row_word(at):
                continue
            found.append(at)
        return found

    def is_row_word(self, at: int) -> bool:
        """Return True if the word means a row: row itself, or the name of the file."""
        word = self.sentence.words[at]
        if word in word_lists.ENTITIES or any(each.at == at and each.grain == self.row_grain for each in self.grains):
            return True
        coded = [word for column in self.columns if self._is_row_code(column) for word in telling_tokens(column)]
        for known in [*self.table.words, *coded]:
            if len(known) > 2 and (likeness(word, known) >= 0.75 or concepts(word) & concepts(known)):
                return True
        return False

    def restricts(self, at: int) -> bool:
        """Return True if an unassigned word must not be ignored: a name, a number, or a word after "in"."""
        token = self.sentence.tokens[at]
        if token.is_number or (token.is_name and not self.sentence.is_german):
            return True
        before = at - 1
        while before >= 0 and self.sentence.words[before] in (
            "the",
            "a",
            "an",
            "all",
            "der",
            "die",
            "das",
            "den",
            "dem",
        ):
            before -= 1
        return before >= 0 and self.sentence.words[before] in word_lists.RESTRICTING

    # ---- Making

    def _mentions(self) -> list[Mention]:
        blocked = _places(self.sentence.spans(cues.TIME_PHRASE))
        columns = [column for column in self.columns if not self._is_row_code(column)]
        found = mentions(self.sentence.tokens, columns, blocked, self._cue_places())
        if not any(each.columns for each in found):
            found = mentions(self.sentence.tokens, columns, blocked)
        return found

    def _is_row_code(self, column: Column) -> bool:
        """Return True if the column only numbers the rows, unless the question names it: order id."""
        return column.kind is Kind.KEY and column.names_a_code and not CODES & set(self.sentence.words)

    def _cue_places(self) -> set[int]:
        patterns = [
            cues.MISSING, cues.DRIVES, cues.RELATION, cues.TREND, cues.DISTRIBUTION, cues.COMPARE, cues.COUNT,
            cues.OFTEN, cues.SHARE, cues.DISTINCT, cues.OVERVIEW, cues.PERIODS, cues.HIGH, cues.LOW, cues.WHICH,
            cues.WHO, cues.WHEN, cues.BY, cues.THAN, cues.TIME_PHRASE,
            *(pattern for _, pattern in cues.AGGREGATES), *(pattern for _, pattern in cues.COMPARATORS),
        ]  # fmt: skip
        found = set().union(*(_places(self.sentence.spans(pattern)) for pattern in patterns))
        return {at for at in found if not self.sentence.tokens[at].is_number}

    def _grains(self) -> list[GrainWord]:
        found: dict[int, str] = {}
        for grain, pattern in cues.GRAINS:
            for start, end in self.sentence.spans(pattern):
                for at in range(start, end):
                    found.setdefault(at, grain)
        return [GrainWord(at, grain) for at, grain in sorted(found.items())]

    def _is_plain(self, start: int, end: int) -> bool:
        """Return True if only insignificant words are between two positions."""
        return all(
            self.sentence.words[at] in word_lists.COMMON | FILLERS | word_lists.ENTITIES
            or at in self._cue_places()
            or any(adjective.at == at for adjective in self.sentence.adjectives)
            for at in range(start, end)
        )


def month_number(word: str) -> int:
    """Return 1 to 12 for the name of a month, otherwise 0."""
    return next((MONTHS.index(each) + 1 for each in concepts(word) if each in MONTHS), 0)


def is_cycle(grain: str) -> bool:
    return grain in CYCLES


def measurable(columns: Iterable[Column]) -> list[Column]:
    return [column for column in columns if column.can_be_measured]


def _places(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}
