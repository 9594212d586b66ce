"""Columns of a table and their uses: to be measured, to group by, to order in time, or none."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from agents.runtimes.demo.language.concepts import MONTHS, UNITS, compound, concepts
from agents.runtimes.demo.language.tokens import forms, name_tokens
from agents.runtimes.demo.language.word_lists import set_of

MOST_GROUPS = 100
"""Distinct values above which a column is a text, unless its values repeat often."""
ROWS_PER_GROUP = 5
FEW_GROUPS, ROWS_OF_MANY = 30, 10
"""Groups can explain something if they are at most so many, or have so many rows each on average."""
MOST_NUMBERS = 12
"""Distinct numbers above which a column is grouped by quartiles."""
NUMBER_TYPES = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL|REAL)")
WHOLE_TYPES = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
CODES = set_of("id nr no number nummer key uuid guid code identifier obs zip zipcode plz postcode")
"""Last words of names whose numbers only identify rows."""
POSITIONS = set_of("lat latitude lon lng longitude breitengrad langengrad")
YES = ("true", "yes", "y", "1", "ja", "oui", "si", "sí")
NO = ("false", "no", "n", "0", "nein", "non")
FIRST_YEAR, LAST_YEAR = 1000, 2200
MONTHLY = ("year", "quarter", "month")


class Kind(enum.StrEnum):
    NUMBER = "number"
    FLAG = "yes or no"
    CATEGORY = "category"
    DATE = "date"
    KEY = "identifier"
    TEXT = "text"


class Style(enum.StrEnum):
    """Notation of numbers in a text column."""

    POINT = "1,234.50"
    COMMA = "1.234,50"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, as SUMMARIZE describes it; counts are added later by `exactly`."""

    name: str
    type: str
    distinct: int
    filled: int
    low: str
    high: str
    quartiles: tuple[str, ...] = ()
    style: Style | None = None
    """Notation of a text column whose values are numbers."""
    unit: str = ""
    """Currency or percent sign of its numbers."""
    odd: int = 0
    """Filled values that are not numbers or dates, although the column is."""
    dates: tuple[str, ...] = ()
    """Formats of a text column whose values are dates."""
    marked_missing: int = 0
    """Values such as "N/A" that mark a missing value."""
    values: tuple[str, ...] = ()
    """Distinct values of a column that has few, most frequent first."""
    tokens: tuple[str, ...] = field(default=())
    days: int = 0
    months: int = 0
    years: int = 0
    """Distinct days, months and years of a date column."""
    has_times: bool = False
    """True if the dates have a time of day."""
    expression: str = ""
    """SQL of a derived column that the file does not have."""

    @property
    def kind(self) -> Kind:
        if self.type == "BOOLEAN" or self._is_yes_or_no():
            return Kind.FLAG
        if self.is_date:
            return Kind.DATE
        if self.filled > 20 and self.distinct >= 0.9 * self.filled and self._names_rows():
            return Kind.KEY
        if self.is_number:
            return Kind.KEY if POSITIONS & set(name_tokens(self.name)) else Kind.NUMBER
        few = 2 <= self.distinct <= max(MOST_GROUPS, self.filled // ROWS_PER_GROUP)
        return Kind.CATEGORY if few else Kind.TEXT

    @property
    def is_date(self) -> bool:
        return self.type.startswith(("DATE", "TIMESTAMP")) or bool(self.dates)

    @property
    def is_number(self) -> bool:
        return bool(NUMBER_TYPES.match(self.type)) or self.style is not None

    @property
    def is_text(self) -> bool:
        return self.type == "VARCHAR"

    @property
    def is_whole(self) -> bool:
        """Return True if all its numbers are integers."""
        return bool(WHOLE_TYPES.fullmatch(self.type))

    @property
    def is_year(self) -> bool:
        """Return True if its numbers are years, by name and range."""
        if not self.is_number or not any("year" in concepts(token) for token in self.tokens or name_tokens(self.name)):
            return False
        return all(_in_years(bound) for bound in (self.low, self.high))

    @property
    def is_part_of_year(self) -> str:
        """Return "quarter" or "month" if the column numbers these, else ""."""
        for part, most in (("quarter", 4), ("month", 12)):
            named = any(part in concepts(token) for token in name_tokens(self.name))
            if self.is_number and named and 1 <= _float(self.low) <= _float(self.high) <= most:
                return part
        return ""

    @property
    def is_time(self) -> bool:
        return self.kind is Kind.DATE or self.is_year

    @property
    def rhythm(self) -> str:
        """Return the usual span between two dates: year, month, or day if they are closer."""
        if self.days and self.days == self.years:
            return "year"
        return "month" if self.days and self.days == self.months else "day"

    @property
    def can_be_measured(self) -> bool:
        if self.is_year or self.is_part_of_year:
            return False
        return self.kind in (Kind.NUMBER, Kind.FLAG) and self.distinct > 1

    @property
    def can_group(self) -> bool:
        """Return True if rows can be grouped by the column. Numbers group by quartiles, dates by month."""
        if self.kind is Kind.NUMBER:
            return self.distinct > 1 and (bool(self.quartiles) or self.distinct <= MOST_NUMBERS)
        if self.kind is Kind.CATEGORY:
            return self.distinct <= FEW_GROUPS or self.filled >= ROWS_OF_MANY * self.distinct
        return self.kind in (Kind.FLAG, Kind.DATE) and self.distinct > 1

    @property
    def names_groups(self) -> bool:
        """Return True if its values name groups or things rather than amounts."""
        return self.kind in (Kind.CATEGORY, Kind.KEY, Kind.TEXT, Kind.FLAG) or (
            self.kind is Kind.NUMBER and (self.is_year or self.distinct <= MOST_NUMBERS)
        )

    @property
    def yes(self) -> str:
        """Return the value of a flag that counts as yes."""
        return self.low if self.low.lower() in YES else self.high

    @property
    def names_a_code(self) -> bool:
        """Return True if its name says that its numbers only identify rows."""
        tokens = list(self.tokens) or name_tokens(self.name)
        return bool(tokens) and (tokens[-1] in CODES or tokens in (["index"], ["row"], ["no"]))

    def _names_rows(self) -> bool:
        """Return True if unique values are names or numbers of rows rather than amounts."""
        if not self.is_number or self.names_a_code:
            return True
        span = _float(self.high) - _float(self.low)
        return self.is_whole and not self.is_year and span == self.filled - 1 == self.distinct - 1

    def _is_yes_or_no(self) -> bool:
        pair = {self.low.lower(), self.high.lower()}
        return self.distinct == 2 and len(pair & set(YES)) == 1 and len(pair & set(NO)) == 1

    def exactly(self, **known: object) -> Column:
        return replace(self, **known)  # type: ignore[arg-type]


def named_tokens(column: Column) -> Column:
    """Return the column with the words of its name, compounds split."""
    found: list[str] = []
    for token in name_tokens(column.name):
        pieces = _code_of(token) or compound(token)
        found.extend(pieces or (token,))
    return replace(column, tokens=tuple(found))


def _code_of(token: str) -> tuple[str, ...]:
    """Split `bestellnr` and `customerid` into their parts."""
    for tail in ("nummer", "nr", "id"):
        head = token.removesuffix(tail)
        if head != token and len(head) >= 4 and (tail != "id" or concepts(head)):
            return head, tail
    return ()


def telling_tokens(column: Column) -> list[str]:
    """Return the words of the name without units and fillers, or all of them if there are no others."""
    tokens = column.tokens or tuple(name_tokens(column.name))
    return [token for token in tokens if token not in UNITS and token not in CODES] or list(tokens)


def measures(columns: Iterable[Column]) -> list[Column]:
    return [column for column in columns if column.can_be_measured]


def time_columns(columns: Iterable[Column]) -> list[Column]:
    """Return the columns that order rows in time: dates first, then years."""
    found = [column for column in columns if column.is_time and column.distinct > 1]
    return sorted(found, key=lambda column: column.kind is not Kind.DATE)


def month_of(name: str) -> int:
    """Return 1 to 12 for a column named like a month, otherwise 0."""
    tokens = name_tokens(name)
    if len(tokens) != 1:
        return 0
    return next((MONTHS.index(each) + 1 for each in concepts(tokens[0]) if each in MONTHS), 0)


def groupers(
    columns: Iterable[Column], measure: Column | None, wanted: Sequence[Column] = ()
) -> tuple[list[Column], list[Column]]:
    """Return the columns to group by, and those left out because their name says the same as the measure's.

    Columns that a person wants come first and are never left out.
    """
    usable = [column for column in columns if column.can_group and column != measure]
    usable.sort(key=lambda column: column not in wanted)
    same = [column for column in usable if measure and column not in wanted and _says_the_same(column, measure)]
    return [column for column in usable if column not in same], same


def _says_the_same(column: Column, measure: Column) -> bool:
    """Return True if all significant words of one name are in the other: `refunded` and `refund_usd`."""
    one, other = ([forms(token) for token in telling_tokens(each)] for each in (column, measure))
    few, many = sorted((one, other), key=len)
    return bool(few) and all(any(token & each for each in many) for token in few)


def _in_years(bound: str) -> bool:
    return FIRST_YEAR <= _float(bound) <= LAST_YEAR and _float(bound).is_integer()


def _float(text: str) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 0.0
