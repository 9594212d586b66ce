"""Results of the analyst: charts, the report, an email for approval, one memory, a closing message."""

from __future__ import annotations

import re

from agents.runtimes.demo import report
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.replay import Call, ScriptedTurn
from agents.runtimes.demo.request import Ask
from agents.runtimes.demo.steps import CannotContinue, Step, sentence, with_progress
from agents.runtimes.demo.wording import code

REPORT = "report.md"
MAIL = re.compile(r"\b(?:e-?mail|mail|send|schick\w*|sende\w*)\b", re.IGNORECASE)
CHART = "chart"
ATTACHED = "The report is attached. Deskhand's demo model computed it from your file."


def deliver(state: AnalysisState) -> Step:
    """Deliver everything for the first time, once the numbers are known."""
    yield from write_up(state)
    yield from _email(state)
    yield from _remember(state)


def write_up(state: AnalysisState) -> Step:
    """Draw the charts, then write the report that shows them."""
    yield from _charts(state)
    if not state.context.has("write_file"):
        return
    call = Call("write_file", {"path": REPORT, "content": report.markdown(state)})
    reply = yield with_progress(state, 5, "Writing the report", f"Writing {REPORT}.", call)
    state.read_message(reply.message)
    if reply.last.is_error:
        reply = yield ScriptedTurn(f"{REPORT} could not be written. Trying once more.", [call])
    if reply.last.is_error:
        raise CannotContinue(f"The numbers are done, but {REPORT} could not be written. {sentence(reply.last.text)}")
    state.written = True


def closing(state: AnalysisState) -> str:
    """Return the closing message: the answer, then where to find the rest."""
    files = ([REPORT] if state.written else []) + _chart_files(state)
    lines = [report.answer(state)]
    if files:
        lines.append("Files: " + ", ".join(files) + ".")
    if state.email:
        lines.append(state.email)
    lines.append("The demo model computed this from your file; no language model judged it.")
    return "\n\n".join(lines)


def _chart_files(state: AnalysisState) -> list[str]:
    return [f"{name}.{ending}" for name in state.charts for ending in ("svg", "png")]


def _charts(state: AnalysisState) -> Step:
    """Draw the chart of each answer that has one."""
    state.charts = []
    if not state.context.has("draw_chart"):
        return
    drawn = [finding for finding in state.findings if finding.chart]
    for finding in drawn:
        name = CHART if not state.charts else f"{CHART}-{len(state.charts) + 1}"
        call = Call("draw_chart", {**(finding.chart or {}), "path": name})
        reply = yield with_progress(state, 5, "Drawing the chart", "Drawing the chart that shows it.", call)
        state.read_message(reply.message)
        if reply.last.is_error:
            state.problems.append(f"The chart could not be drawn: {sentence(reply.last.text)}")
        else:
            state.charts.append(name)


def _email(state: AnalysisState) -> Step:
    person = state.context.person()
    if not person or not state.context.has("email_report") or not state.written or not _is_worth_a_mail(state):
        return
    arguments = {
        "to": person,
        "subject": report.headline(state)[:200],
        "body": f"{report.plain_answer(state)}\n\n{ATTACHED}",
        "attachments": [REPORT, *_chart_files(state)],
    }
    text = f"The report is ready. I would like to email it to {person}; that needs your approval."
    reply = yield ScriptedTurn(text, [Call("email_report", arguments)])
    state.read_message(reply.message)
    if reply.first.is_error:
        state.email = "The email was not sent; the report is here."
    else:
        state.email = f"The report was emailed to {person}."


def _is_worth_a_mail(state: AnalysisState) -> bool:
    """Return True if the result is mailed: if the prompt asks for it, and for an analysis of drivers always."""
    return state.findings[0].request.ask is Ask.DRIVERS or MAIL.search(state.context.prompt) is not None


def _remember(state: AnalysisState) -> Step:
    """Store one fact for later runs: the measured column and the result."""
    request = state.findings[0].request
    if not state.context.has("remember") or request.ask is Ask.OVERVIEW:
        return
    column = request.measure.column
    which = f"the column to measure was {code(column.name)}" if column is not None else "rows were counted"
    found = state.findings[0].headline.removeprefix(f"{state.table.file}: ")
    fact = f"In {state.table.file}, {which}. {found[:1].upper()}{found[1:]}."[:500]
    reply = yield with_progress(state, 6, "Done", "", Call("remember", {"text": fact}))
    state.read_message(reply.message)
