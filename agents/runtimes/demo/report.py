"""Report of the demo analyst, and the sentences of its answer."""

from __future__ import annotations

import re

from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.request import Ask
from agents.runtimes.demo.sentences import escaped
from agents.runtimes.demo.wording import count_of, described, one_line, plain, without_markdown

BADGE = (
    "> **Demo model.** Deskhand's offline demo wrote this from your file. Every number was computed; no language model "
    "judged it."
)


def markdown(state: AnalysisState) -> str:
    """Return the content of report.md."""
    table = state.table
    sections = [
        f"# {_title(state)}",
        BADGE,
        f"**Asked:** {_asked(state)}  \n{_read_as(state)}  \n"
        f"**File:** {one_line(table.file)}, {count_of(table.rows, 'row')}, {count_of(len(_columns(state)), 'column')}",
        "## Answer\n\n" + answer(state),
        *(["## Changes\n\n" + "\n".join(f"- {change}" for change in state.changes)] if state.changes else []),
    ]
    for at, finding in enumerate(state.findings):
        if at < len(state.charts):
            sections.append(f"![{escaped(chart_title(finding))}]({state.charts[at]}.svg)")
        if len(state.findings) > 1:
            sections.append(f"# {escaped(plain(finding.request.text, 120))}")
        sections += finding.sections
    sections += [_method(state), _caveats(state)]
    return "\n\n".join(sections) + "\n"


def answer(state: AnalysisState) -> str:
    """Return the answer of each question; its first sentence has the number."""
    return "\n\n".join(" ".join(finding.sentences) for finding in state.findings)


def plain_answer(state: AnalysisState) -> str:
    """Return the answer without Markdown, for an email."""
    return without_markdown(answer(state))


def headline(state: AnalysisState) -> str:
    """Return the answer in one line, for the subject of an email or a memory."""
    finding = state.findings[0]
    text = finding.headline
    return text if text.startswith(state.table.file) else f"{plain(state.table.file)}: {text}"


def chart_title(finding: Finding) -> str:
    chart = finding.chart or {}
    return str(chart.get("title") or finding.headline)


def _columns(state: AnalysisState) -> list[str]:
    return [column.name for column in state.table.columns if not column.expression]


def _title(state: AnalysisState) -> str:
    finding = state.findings[0]
    return finding.title or escaped(plain(finding.request.text, 120))


def _asked(state: AnalysisState) -> str:
    """Return the prompt, and the question that a person replaced it with."""
    prompt = one_line(state.context.prompt)
    return prompt if state.question == state.context.prompt else f"{prompt} — then: {one_line(state.question)}"


def _read_as(state: AnalysisState) -> str:
    first = state.findings[0]
    if first.measured:
        return f"**Measured:** {first.measured}"
    parts = [described(finding.request) for finding in state.findings if finding.request.ask is not Ask.OVERVIEW]
    kinds = {Ask.MISSING: "the missing values", Ask.PERIODS: "the last period against the one before"}
    parts = [kinds.get(finding.request.ask, part) for finding, part in zip(state.findings, parts, strict=False)]
    return f"**Read as:** {'; '.join(parts) or 'what is in the table'}{state.how_decided}"


def _method(state: AnalysisState) -> str:
    steps = [finding.method for finding in state.findings if finding.method]
    reshaped = f" {state.table.reshaped}" if state.table.reshaped else ""
    return (
        f"## Method\n\nI loaded {one_line(state.table.file)} with SQL, profiled its "
        f"{count_of(len(_columns(state)), 'column')}, and {'; then '.join(steps)}.{reshaped}"
    )


def _caveats(state: AnalysisState) -> str:
    lines = [line for finding in state.findings for line in finding.caveats]
    lines += [escaped(re.sub(r"\s+", " ", note)) for note in state.table.notes]
    lines += state.problems
    lines.append(
        "The demo model knows a few kinds of questions. It reads tables, not meaning, and cannot know what the columns "
        "stand for."
    )
    return "## Caveats\n\n" + "\n".join(f"- {line}" for line in dict.fromkeys(lines))
