"""State of the demo analyst during one assignment."""

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
    """Answer to one question."""

    request: Request
    sentences: list[str]
    """Sentences in Markdown. The first one is the answer with its number."""
    headline: str
    """The answer in one plain line, for a mail's subject, a chart's title and the memory."""
    title: str = ""
    """Title of the report; empty for the question itself."""
    measured: str = ""
    """Description of the measure, if it says more than the reading of the question."""
    chart: Mapping[str, Any] | None = None
    """Arguments of `draw_chart` without its path."""
    sections: list[str] = field(default_factory=list)
    method: str = ""
    caveats: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class AnalysisState:
    """One assignment, from the prompt to the report."""

    context: ScriptContext
    question: str
    tables: list[Table] = field(default_factory=list)
    table: Table = field(default_factory=lambda: Table(name="", file=""))
    """Table that the question is about."""
    requests: list[Request] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    decided: dict[str, Column] = field(default_factory=dict)
    """Columns that a person chose, by their role in the question."""
    how_decided: str = ""
    """Reason for the choice of the measure, as words that follow its name."""
    charts: list[str] = field(default_factory=list)
    pending_message: str = ""
    """Message of a person during the work, until it is acknowledged."""
    changes: list[str] = field(default_factory=list)
    """Requests of a reviewer and what was done about each, in Markdown."""
    wanted: list[Column] = field(default_factory=list)
    """Columns that a person wants a table by, whatever their effect."""
    asked_again: int = 0
    """Number of times that a person was asked for another question."""
    written: bool = False
    email: str = ""
    """Outcome of the email, as a sentence."""
    problems: list[str] = field(default_factory=list)

    def read_message(self, message: str) -> None:
        """Take in a person's message during the work: the columns that it names are analysed as well."""
        if message:
            self.pending_message = message
            self.want(columns_named(self.table.asked, message))

    def want(self, columns: Iterable[Column]) -> list[Column]:
        """Add tables by these columns if they can group; return those that can."""
        able = [column for column in columns if column.can_group]
        self.wanted += [column for column in able if column not in self.wanted]
        return able

    def acknowledge_message(self) -> str:
        message, self.pending_message = self.pending_message, ""
        return f"I read your message: {quoted(message)}" if message else ""
