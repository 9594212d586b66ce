"""What the demo analyst knows so far, and how it writes numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from agents.runtimes.demo.columns import Column, Kind, named
from agents.runtimes.demo.replay import ScriptContext

WEAK = 0.01
"""Below this share of explained variance a column is not called a driver."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A column by which the measure differs. `effect` is epsilon squared: the share of variance that it explains,
    corrected for what as many random groups would explain."""

    column: Column
    groups: int
    effect: float


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with the same value, or the same pair of values."""

    value: str
    rows: int
    mean: float
    total: float


@dataclass(slots=True, kw_only=True)
class AnalysisState:
    context: ScriptContext
    question: str
    file: str = ""
    table: str = ""
    columns: list[Column] = field(default_factory=list)
    rows: int = 0
    measure: Column | None = None
    why_measure: str = ""
    counted: int = 0
    """Rows in which the measure is filled."""
    mean: float = 0.0
    total: float = 0.0
    left_out: list[str] = field(default_factory=list)
    drivers: list[Driver] = field(default_factory=list)
    groups: dict[str, list[Group]] = field(default_factory=dict)
    pair: tuple[Column, Column] | None = None
    combined: list[Group] = field(default_factory=list)
    """The highest groups of the pair of columns that explains most."""
    smallest: int = 0
    charts: list[str] = field(default_factory=list)
    heard: str = ""
    """What a person said while the work went on, until it is acknowledged."""
    changes: list[str] = field(default_factory=list)
    """What a reviewer asked for, and what was done about it; Markdown."""
    wanted: list[Column] = field(default_factory=list)
    """Columns that a person wants to see whatever their effect."""
    written: bool = False
    email: str = ""
    """What came of the email, as a sentence."""
    problems: list[str] = field(default_factory=list)

    @property
    def is_weak(self) -> bool:
        """No column makes enough of a difference to be called a driver."""
        return self.measure is not None and (not self.drivers or self.drivers[0].effect < WEAK)

    def hear(self, said: str) -> None:
        """Take in what a person said during the work: the columns that they name are looked into."""
        if said:
            self.heard = said
            self.wanted += named([column for column in self.columns if column.can_group], said)

    def take_heard(self) -> str:
        heard, self.heard = self.heard, ""
        return f"I read your message: {quoted(heard)}" if heard else ""

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)

    @property
    def shown(self) -> list[Driver]:
        """The drivers that the report has a table for: the strongest three, and those a person asked for."""
        asked = [driver for driver in self.drivers[3:] if driver.column in self.wanted]
        return [*self.drivers[:3], *asked]

    @property
    def is_flag(self) -> bool:
        return self.measure is not None and self.measure.kind is Kind.FLAG

    def value(self, mean: float) -> str:
        """A mean in the unit of the measure."""
        if self.measure is None:
            return f"{mean:,.0f}"
        return percent(mean) if self.is_flag else amount(mean, self.measure.name)

    def what(self) -> str:
        """The measure in words, to follow "the"."""
        if self.measure is None:
            return "number of rows"
        if self.is_flag:
            return f"share of rows where {code(self.measure.name)} is {self.measure.yes}"
        return f"average {code(self.measure.name)}"

    def of(self, group: Group) -> str:
        """A group's rows, in brackets after its mean."""
        return f"{group.total:,.0f} of {group.rows:,}" if self.is_flag else f"{group.rows:,} rows"


def code(name: str) -> str:
    """A column's name as Markdown code, also inside a table."""
    return "`" + " ".join(name.replace("`", "'").replace("|", "\\|").split()) + "`"


def quoted(text: str) -> str:
    """The text on one line in quotation marks, at most 200 characters of it."""
    line = " ".join(text.split())
    return f"“{line if len(line) <= 200 else line[:199] + '…'}”"


def count_of(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def percent(share: float) -> str:
    return f"{share:.1%}"


def amount(value: float, name: str) -> str:
    """With a currency sign where the name holds one, and as many digits as can be read at a glance."""
    words = name.lower().split("_")
    sign = next((sign for word, sign in {"usd": "$", "eur": "€", "gbp": "£"}.items() if word in words), "")
    digits = 2 if sign or abs(value) < 1000 else 0
    return f"{'-' if value < 0 else ''}{sign}{abs(value):,.{digits}f}"
