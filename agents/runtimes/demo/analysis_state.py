"""What the demo analyst knows so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agents.runtimes.demo.replay import ScriptContext
from agents.runtimes.demo.request import Request
from agents.runtimes.demo.table import Table
from agents.runtimes.demo.table_columns import Column
from agents.runtimes.demo.understanding.mentions import columns_named
from agents.runtimes.demo.wording import quoted


@dataclass(slots=True, kw_only=True)
class Finding:
    """The answer to one question."""

    request: Request
    sentences: list[str]
    """Markdown. The first one is the answer with its number."""
    headline: str
    """The answer in one plain line, for a mail's subject, a chart's title and the memory."""
    title: str = ""
    """The report's title, if it is not the question itself."""
    measured: str = ""
    """What was measured, if that says more than how the question was read."""
    chart: Mapping[str, Any] | None = None
    """The arguments of `draw_chart` without its path."""
    sections: list[str] = field(default_factory=list)
    method: str = ""
    caveats: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class AnalysisState:
    """One assignment from the prompt to the report."""

    context: ScriptContext
    question: str
    tables: list[Table] = field(default_factory=list)
    table: Table = field(default_factory=lambda: Table(name="", file=""))
    """The table that the question is about."""
    requests: list[Request] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    decided: dict[str, Column] = field(default_factory=dict)
    """Columns that a person chose, by their role in the question."""
    how_decided: str = ""
    """How the measure was settled, in words that follow its name."""
    charts: list[str] = field(default_factory=list)
    heard: str = ""
    """What a person said while the work went on, until it is acknowledged."""
    changes: list[str] = field(default_factory=list)
    """What a reviewer asked for, and what was done about it; Markdown."""
    wanted: list[Column] = field(default_factory=list)
    """Columns that a person wants a table by, whatever their effect."""
    asked_again: int = 0
    """How often a person was asked for another question."""
    written: bool = False
    email: str = ""
    """What came of the email, as a sentence."""
    problems: list[str] = field(default_factory=list)

    def hear(self, said: str) -> None:
        """Take in what a person said during the work: the columns that they name are looked into."""
        if said:
            self.heard = said
            self.want(columns_named(self.table.asked, said))

    def want(self, columns: Iterable[Column]) -> list[Column]:
        """Show a table by these columns where they can group; returns those that can."""
        able = [column for column in columns if column.can_group]
        self.wanted += [column for column in able if column not in self.wanted]
        return able

    def take_heard(self) -> str:
        heard, self.heard = self.heard, ""
        return f"I read your message: {quoted(heard)}" if heard else ""
