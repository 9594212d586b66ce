"""Request: a question in structured form."""

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
    """Kind of a question."""

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
    """Grouping of rows: by a column's values, or by spans of a time column."""

    column: Column
    grain: str = ""
    """One of GRAINS or CYCLES for a time column."""

    @property
    def is_time(self) -> bool:
        return self.grain in GRAINS or (not self.grain and self.column.is_year)

    @property
    def label(self) -> str:
        """Return the name of the grouping for people: the column, or the span."""
        return self.grain or self.column.name

    def expression(self) -> str:
        """Return SQL of the group as text that sorts by time; NULL if a row has none."""
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
        """Format a group's value for people: November for 11."""
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
    """Measured quantity. Without a column: rows."""

    aggregate: Aggregate
    column: Column | None = None
    value: str = ""
    """SHARE and ROWS: the value whose rows are counted; "" for the yes of a flag."""
    is_inverse: bool = False
    """True if the question asks for the opposite of the column: consumption, for miles per gallon."""
    is_given: bool = False
    """True if the question names the aggregate."""
    word: str = ""
    """Word of the question for the measure, if it is not the column's name."""

    def expression(self) -> str:
        """Return SQL of the aggregate."""
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
        """Return SQL of one row's contribution: a number, or 1 and 0."""
        if self.column is None:
            return "1"
        return sql.flag(self.column, self.value) if self.is_indicator else _plain(self.column)

    @property
    def is_indicator(self) -> bool:
        """Return True if a row counts as 1 or 0."""
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
    """Filter of rows: `operator` is = (any of `values`), !=, >, <, >=, <= or "between"."""

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
        """Return the filter in words, to follow "only rows where"."""
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
    """Original text of the question."""
    measure: Measure = field(default_factory=lambda: Measure(Aggregate.ROWS))
    other: Measure | None = None
    """Second measure of a relation or of a comparison of columns."""
    by: Grouping | None = None
    also_by: Grouping | None = None
    """Grouping of "… and in which year": asked about the winner, or a second grouping."""
    filters: list[Filter] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    """COMPARE: the values of `by` to compare."""
    is_low: bool = False
    count: int = 1
    grain: str = ""
    """TREND and PERIODS: the span that the question names."""
    is_relative: bool = False
    """GROWTH: in percent."""
    of_rows: bool = False
    """EXTREME and TOP: single rows instead of groups."""
    taken: list[str] = field(default_factory=list)
    """Readings of words that are not obvious, for the report."""
    unused: list[str] = field(default_factory=list)
    """Words without a match that do not change the question."""

    def where(self, *more: str) -> str:
        """Return " WHERE …" with all filters, or "" if there are none."""
        parts = [*(each.expression() for each in self.filters), *more]
        return f" WHERE {' AND '.join(f'({part})' for part in parts)}" if parts else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unclear:
    """Question to the person before the work can start."""

    question: str
    why: str
    role: str
    """Role that the answer fills: measure, other, group, or prompt for a new question."""
    columns: tuple[Column, ...] = ()
    default: Column | None = None
    choices: tuple[str, ...] = ()


Understood = Request | Unclear

__all__ = [
    "CYCLES", "GRAINS", "Aggregate", "Ask", "Filter", "Grouping", "Measure", "Request", "Style", "Table", "Unclear",
    "Understood",
]  # fmt: skip
