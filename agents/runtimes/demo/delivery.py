"""What the analyst hands over: a chart, the report, an email that a person approves, one memory, a closing word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.runtimes.demo import report
from agents.runtimes.demo.analysis_state import AnalysisState, Group, code
from agents.runtimes.demo.replay import Call, ScriptedTurn
from agents.runtimes.demo.steps import CannotContinue, Step, sentence, with_progress

REPORT = "report.md"
CHART = "chart"
ATTACHED = "The report is attached. Deskhand's demo model computed it from your file."


def deliver(state: AnalysisState) -> Step:
    """Everything after the numbers are known, for the first time."""
    yield from write_up(state)
    yield from _email(state)
    yield from _remember(state)


def write_up(state: AnalysisState) -> Step:
    """Draw the chart, then write the report that shows it."""
    yield from _chart(state)
    call = Call("write_file", {"path": REPORT, "content": report.markdown(state)})
    if not state.context.has("write_file"):
        return
    reply = yield with_progress(state, 5, "Writing the report", f"I write {REPORT}.", call)
    state.hear(reply.said)
    if reply.last.is_error:
        reply = yield ScriptedTurn(f"{REPORT} could not be written. I try it once more.", [call])
    if reply.last.is_error:
        raise CannotContinue(f"The numbers are done, but {REPORT} could not be written. {sentence(reply.last.text)}")
    state.written = True


def closing(state: AnalysisState) -> str:
    """The last words: the answer, then where to find the rest."""
    files = ([REPORT] if state.written else []) + state.charts
    lines = [report.answer(state)]
    if files:
        lines.append("Files: " + ", ".join(files) + ".")
    if state.email:
        lines.append(state.email)
    lines.append("The demo model computed this from your file; no language model judged it.")
    return "\n\n".join(lines)


def _chart(state: AnalysisState) -> Step:
    bars = state.combined or (state.groups[state.drivers[0].column.name] if state.drivers else [])
    if not bars or not state.context.has("draw_chart"):
        return
    call = Call("draw_chart", _chart_arguments(state, bars))
    reply = yield with_progress(state, 5, "Drawing the chart", "I draw the strongest groups.", call)
    state.hear(reply.said)
    state.charts = [] if reply.last.is_error else [f"{CHART}.svg", f"{CHART}.png"]
    if reply.last.is_error:
        state.problems.append(f"The chart could not be drawn: {sentence(reply.last.text)}")


def _chart_arguments(state: AnalysisState, bars: Sequence[Group]) -> Mapping[str, Any]:
    measured = state.what().replace("`", "")
    unit = f"{measured[:1].upper()}{measured[1:]}{' (%)' if state.is_flag else ''}"[:60]
    return {
        "kind": "barh",
        "title": report.chart_title(state)[:160],
        "labels": [f"{report.plain(group.value)} ({group.rows:,})" for group in bars],
        "series": [{"name": unit, "values": [_height(state, group) for group in bars]}],
        "y_label": unit,
        "path": CHART,
    }


def _height(state: AnalysisState, group: Group) -> float:
    if state.measure is None:
        return group.rows
    return round(group.mean * 100, 1) if state.is_flag else round(group.mean, 4)


def _email(state: AnalysisState) -> Step:
    person = state.context.person()
    if not person or not state.context.has("email_report") or not state.written:
        return
    arguments = {
        "to": person,
        "subject": report.headline(state)[:200],
        "body": f"{report.plain_answer(state)}\n\n{ATTACHED}",
        "attachments": [REPORT, *state.charts],
    }
    text = f"The report is ready. I would like to email it to {person}; that needs your approval."
    reply = yield ScriptedTurn(text, [Call("email_report", arguments)])
    state.hear(reply.said)
    if reply.first.is_error:
        state.email = "The email was not sent; the report is here."
    else:
        state.email = f"The report was emailed to {person}."


def _remember(state: AnalysisState) -> Step:
    if not state.context.has("remember") or state.measure is None:
        return
    fact = f"In {state.file}, the column to measure was {code(state.measure.name)}. {report.headline(state)}."[:500]
    reply = yield with_progress(state, 6, "Done", "", Call("remember", {"text": fact}))
    state.hear(reply.said)
