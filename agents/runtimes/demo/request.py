"""What a question asks for, once its words are understood."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.runtimes.demo import expressions as sql
from agents.runtimes.demo.expressions import literal
from agents.runtimes.demo.language.concepts import MONTHS
from agents.runtimes.demo.table import Table
from agents.runtimes.demo.table_columns import Column, Kind, Style


class Ask(enum.StrEnum):
    """The kind of a question."""

    EXTREME = "which is highest or lowest"
    TOP = "the first few"
    LIST = "rows that fit"
    FIGURE = "a figure"
    TREND = "a trend"
    GROWTH = "what grew most"
    COMPARE = "a comparison"
    RELATION = "a relation"
    DISTRIBUTION = "a distribution"
    MISSING = "missing values"
    DRIVERS = "what it depends on"
    PERIODS = "a period and the one before"
    OVERVIEW = "an overview"


class Aggregate(enum.StrEnum):
    MEAN = "average"
    MEDIAN = "median"
    SUM = "total"
    LOW = "lowest"
    HIGH = "highest"
    ROWS = "number of rows"
    DISTINCT = "number of different"
    SHARE = "share"


GRAINS = ("decade", "year", "quarter", "month", "week", "day")
CYCLES = ("month of the year", "weekday", "hour")


@dataclass(frozen=True, slots=True)
class Grouping:
    """What rows are put together by: a column's values, or spans of a time column."""

    column: Column
    grain: str = ""
    """One of GRAINS or CYCLES for a time column."""

    @property
    def is_time(self) -> bool:
        return self.grain in GRAINS or (not self.grain and self.column.is_year)

    @property
    def label(self) -> str:
        """For people: the column, or the span."""
        return self.grain or self.column.name

    def expression(self) -> str:
        """SQL of the group as text that sorts by time; NULL where there is none."""
        if not self.grain:
            return self._values()
        moment = sql.date(self.column) if self.column.kind is Kind.DATE else _of_year(self.column)
        return {
            "decade": f"CAST(CAST(floor(year({moment}) / 10) * 10 AS INTEGER) AS VARCHAR) || 's'",
            "year": f"strftime({moment}, '%Y')",
            "quarter": f"strftime({moment}, '%Y') || ' Q' || quarter({moment})",
            "month": f"strftime({moment}, '%Y-%m')",
            "week": f"strftime(date_trunc('week', {moment}), '%Y-%m-%d')",
            "day": f"strftime({moment}, '%Y-%m-%d')",
            "month of the year": f"strftime({moment}, '%m')",
            "weekday": f"CAST(isodow({moment}) AS VARCHAR)",
            "hour": f"strftime({moment}, '%H')",
        }[self.grain]

    def _values(self) -> str:
        column = self.column
        if column.kind is Kind.DATE:
            return f"strftime({sql.date(column)}, '%Y-%m-%d')"
        if column.is_year:
            return f"CAST(CAST({sql.number(column)} AS INTEGER) AS VARCHAR)"
        return sql.text(column)

    def shown(self, value: str) -> str:
        """A group's value for people: November for 11."""
        if self.grain == "month of the year" and value.isdigit() and 1 <= int(value) <= 12:
            return MONTHS[int(value) - 1].capitalize()
        if self.grain == "weekday" and value.isdigit():
            return ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")[int(value) - 1]
        if self.grain == "hour" and value.isdigit():
            return f"{value}:00"
        if self.grain == "month" and len(value) == 7:
            return f"{MONTHS[int(value[5:]) - 1].capitalize()} {value[:4]}"
        if self.grain == "week":
            return f"week of {value}"
        return value


def _of_year(column: Column) -> str:
    return f"make_date(CAST({sql.number(column)} AS INTEGER), 1, 1)"


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured. Without a column: rows."""

    aggregate: Aggregate
    column: Column | None = None
    value: str = ""
    """SHARE and ROWS: the rows where the column has this value; of a flag "" is yes."""
    is_inverse: bool = False
    """Asked was the opposite of the column: consumption of miles per gallon."""
    is_given: bool = False
    """The question names the aggregate."""
    word: str = ""
    """As the question calls it, where that is not the column's name."""

    def expression(self) -> str:
        """SQL of the aggregate."""
        if self.column is None:
            return "count(*)"
        if self.aggregate is Aggregate.DISTINCT:
            return f"count(DISTINCT {_plain(self.column)})"
        row = self.of_row()
        return {
            Aggregate.MEAN: f"avg({row})",
            Aggregate.MEDIAN: f"median({row})",
            Aggregate.SUM: f"sum({row})",
            Aggregate.LOW: f"min({row})",
            Aggregate.HIGH: f"max({row})",
            Aggregate.ROWS: f"coalesce(sum({row}), 0)" if self.is_indicator else f"count({row})",
            Aggregate.SHARE: f"avg({row})",
        }[self.aggregate]

    def of_row(self) -> str:
        """SQL of what one row brings: a number, or 1 and 0."""
        if self.column is None:
            return "1"
        return sql.flag(self.column, self.value) if self.is_indicator else _plain(self.column)

    @property
    def is_indicator(self) -> bool:
        """Whether a row counts as 1 or 0."""
        return self.column is not None and (bool(self.value) or self.column.kind is Kind.FLAG)

    @property
    def is_count(self) -> bool:
        return self.aggregate in (Aggregate.ROWS, Aggregate.DISTINCT)


def _plain(column: Column) -> str:
    if column.is_number:
        return sql.number(column)
    return sql.date(column) if column.is_date else sql.text(column)


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows that count: `operator` = (any of `values`), !=, >, <, >=, <= or "between"."""

    column: Column
    operator: str
    values: tuple[str, ...]
    grain: str = ""

    def expression(self) -> str:
        if self.grain or self.column.is_year:
            grain = self.grain or "year"
            it = Grouping(self.column, grain).expression() if self.grain or self.column.kind is Kind.DATE else ""
            it = it or f"CAST(CAST({sql.number(self.column)} AS INTEGER) AS VARCHAR)"
            return self._compare(it, [literal(value) for value in self.values])
        if self.column.is_number:
            return self._compare(sql.number(self.column), list(self.values))
        return self._compare(sql.text(self.column), [literal(value) for value in self.values])

    def _compare(self, it: str, values: Sequence[str]) -> str:
        if self.operator == "between":
            return f"{it} BETWEEN {values[0]} AND {values[1]}"
        if self.operator in ("=", "!="):
            return f"{it} {'' if self.operator == '=' else 'NOT '}IN ({', '.join(values)})"
        return f"{it} {self.operator} {values[0]}"

    def words(self) -> str:
        """For people, as in "only rows where …"."""
        name = f"the {self.grain} of {self.column.name}" if self.grain else self.column.name
        shown = [Grouping(self.column, self.grain).shown(value) for value in self.values]
        if self.operator == "between":
            return f"{name} is {shown[0]} to {shown[1]}"
        sign = {"=": "is", "!=": "is not", ">": "is over", "<": "is under", ">=": "is at least", "<=": "is at most"}
        return f"{name} {sign[self.operator]} {' or '.join(shown)}"


@dataclass(slots=True, kw_only=True)
class Request:
    """One question about one table."""

    ask: Ask
    text: str
    """As it was asked."""
    measure: Measure = field(default_factory=lambda: Measure(Aggregate.ROWS))
    other: Measure | None = None
    """The second one of a relation or of a comparison of columns."""
    by: Grouping | None = None
    also_by: Grouping | None = None
    """"… and in which year": asked about the winner, or a second way to group."""
    filters: list[Filter] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """COMPARE: the values of `by` that are compared."""
    is_low: bool = False
    count: int = 1
    grain: str = ""
    """TREND and PERIODS: the span that the question names."""
    is_relative: bool = False
    """GROWTH: in percent."""
    of_rows: bool = False
    """EXTREME and TOP: single rows are looked for, not groups."""
    taken: list[str] = field(default_factory=list)
    """How words were understood where that is not plain."""
    unused: list[str] = field(default_factory=list)
    """Words that nothing was found for and that do not change what is asked."""

    def where(self, *more: str) -> str:
        """ " WHERE …" of the filters, or ""."""
        parts = [*(each.expression() for each in self.filters), *more]
        return f" WHERE {' AND '.join(f'({part})' for part in parts)}" if parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """What a person has to say before the work can begin."""

    question: str
    why: str
    role: str
    """What the answer settles: measure, other, group, or prompt for a new question."""
    columns: tuple[Column, ...] = ()
    default: Column | None = None
    choices: tuple[str, ...] = ()


Understood = Request | Unclear

__all__ = [
    "CYCLES", "GRAINS", "Aggregate", "Ask", "Filter", "Grouping", "Measure", "Request", "Style", "Table", "Unclear",
    "Understood",
]  # fmt: skip
