"""What the columns of a table are good for: to be measured, to group by, or neither."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

MOST_GROUPS = 30
MOST_GROUPERS = 24
MOST_NUMBERS = 12
"""A column with more numbers than this is grouped by quartiles."""
NUMBER_TYPES = re.compile(r"(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL)")
COMMA_NUMBER = re.compile(r"-?\d+(,\d+)?")
KEY_NAME = re.compile(r"(^|[\W_])(id|nr|no|number|key|uuid)$")
LITTLE_WORDS = frozenset(
    {"a", "an", "as", "at", "be", "by", "do", "i", "if", "in", "is", "it", "my", "of", "on", "or", "to"}
)
YES = ("true", "yes", "y", "1", "ja", "oui", "si", "sí")
NO = ("false", "no", "n", "0", "nein", "non")


class Kind(enum.StrEnum):
    NUMBER = "number"
    FLAG = "yes or no"
    CATEGORY = "category"
    DATE = "date"
    KEY = "identifier"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column, as SUMMARIZE saw it; `distinct` becomes exact later."""

    name: str
    type: str
    distinct: int
    filled: int
    low: str
    high: str
    quartiles: tuple[str, ...] = ()
    numeric: int = 0
    """Of a text column: how many values are numbers once a comma counts as the decimal point."""

    @property
    def kind(self) -> Kind:
        if self.type == "BOOLEAN" or self._is_yes_or_no():
            return Kind.FLAG
        if self.type.startswith(("DATE", "TIMESTAMP")):
            return Kind.DATE
        if self.filled > 20 and self.distinct >= 0.9 * self.filled and self._names_rows():
            return Kind.KEY
        if self.is_number:
            return Kind.NUMBER
        return Kind.CATEGORY if 2 <= self.distinct <= MOST_GROUPS else Kind.TEXT

    @property
    def is_number(self) -> bool:
        return bool(NUMBER_TYPES.match(self.type)) or self.is_number_as_text

    @property
    def is_number_as_text(self) -> bool:
        return self.type == "VARCHAR" and self.filled > 0 and self.numeric >= 0.95 * self.filled

    @property
    def may_be_number_as_text(self) -> bool:
        return self.type == "VARCHAR" and all(COMMA_NUMBER.fullmatch(bound) for bound in (self.low, self.high))

    @property
    def can_be_measured(self) -> bool:
        return self.kind in (Kind.NUMBER, Kind.FLAG) and self.distinct > 1

    @property
    def can_group(self) -> bool:
        """Numbers group by their quartiles, dates by month."""
        if self.kind is Kind.NUMBER:
            return self.distinct > 1 and (bool(self.quartiles) or self.distinct <= MOST_NUMBERS)
        return self.kind in (Kind.FLAG, Kind.CATEGORY, Kind.DATE) and self.distinct > 1

    @property
    def yes(self) -> str:
        """The value of a flag that counts as yes."""
        return self.low if self.low.lower() in YES else self.high

    def _names_rows(self) -> bool:
        """Whether values that hardly ever repeat are names or numbers of rows rather than amounts."""
        if not self.is_number or KEY_NAME.search(self.name.lower()):
            return True
        is_whole = "INT" in self.type
        return is_whole and float(self.high or 0) - float(self.low or 0) < 1.5 * self.filled

    def _is_yes_or_no(self) -> bool:
        pair = {self.low.lower(), self.high.lower()}
        return self.distinct == 2 and len(pair & set(YES)) == 1 and len(pair & set(NO)) == 1

    def exactly(self, *, distinct: int, numeric: int) -> Column:
        return replace(self, distinct=distinct, numeric=numeric)


def stems(text: str) -> set[str]:
    """The words of a text without their endings, so that "refunds" meets `refunded` and `refund_usd`."""
    return {_stem(word) for word in re.findall(r"[^\W_]+", text.lower()) if len(word) > 2}


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    return word.removesuffix("e")


def without_file_names(text: str) -> str:
    """The text without words such as `refunds.csv`, which name no column."""
    return re.sub(r"\S+\.(csv|tsv|parquet|xlsx?)\b", " ", text, flags=re.IGNORECASE)


def named(columns: Iterable[Column], text: str) -> list[Column]:
    """The columns that the text calls by their full name, `refund_usd` or "refund usd", in its order."""
    plain = " " + re.sub(r"[\W_]+", " ", without_file_names(text).lower()) + " "
    places = {
        column.name: plain.find(" " + re.sub(r"[\W_]+", " ", column.name.lower()).strip() + " ") for column in columns
    }
    found = [each for each in columns if places[each.name] >= 0 and each.name.lower() not in LITTLE_WORDS]
    return sorted(found, key=lambda column: places[column.name])


def fitting(columns: Sequence[Column], text: str) -> list[Column]:
    """The columns that the text could mean: those that it names, else those that share a word with it."""
    words = stems(without_file_names(text))
    return named(columns, text) or [column for column in columns if stems(column.name) & words]


def measures(columns: Iterable[Column]) -> list[Column]:
    return [column for column in columns if column.can_be_measured]


def groupers(
    columns: Iterable[Column], measure: Column | None, wanted: Sequence[Column] = ()
) -> tuple[list[Column], list[Column]]:
    """The columns to group by, and those left out because they say the same as the measure by their name.

    What a person wants comes first and is never left out.
    """
    own = stems(measure.name) if measure else set()
    usable = [column for column in columns if column.can_group and column != measure]
    usable.sort(key=lambda column: column not in wanted)
    same = [column for column in usable if stems(column.name) & own and column not in wanted]
    return [column for column in usable if column not in same][:MOST_GROUPERS], same
