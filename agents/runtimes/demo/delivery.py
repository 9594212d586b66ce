"""What the analyst hands over: a chart, the report, an email that a person approves, one memory, a closing word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from agents.runtimes.demo import report
from agents.runtimes.demo.moves import Step, Stuck, sentence, with_progress
from agents.runtimes.demo.replay import Call, Move
from agents.runtimes.demo.study import Group, Study, code

REPORT = "report.md"
CHART = "chart"
ATTACHED = "The report is attached. Deskhand's demo model computed it from your file."


def deliver(study: Study) -> Step:
    """Everything after the numbers are known, for the first time."""
    yield from write_up(study)
    yield from _email(study)
    yield from _remember(study)


def write_up(study: Study) -> Step:
    """Draw the chart, then write the report that shows it."""
    yield from _chart(study)
    call = Call("write_file", {"path": REPORT, "content": report.markdown(study)})
    if not study.desk.has("write_file"):
        return
    reply = yield with_progress(study, 5, "Writing the report", f"I write {REPORT}.", call)
    study.hear(reply.said)
    if reply.last.is_error:
        reply = yield Move(f"{REPORT} could not be written. I try it once more.", [call])
    if reply.last.is_error:
        raise Stuck(f"The numbers are done, but {REPORT} could not be written. {sentence(reply.last.text)}")
    study.written = True


def closing(study: Study) -> str:
    """The last words: the answer, then where to find the rest."""
    files = ([REPORT] if study.written else []) + study.charts
    lines = [report.answer(study)]
    if files:
        lines.append("Files: " + ", ".join(files) + ".")
    if study.email:
        lines.append(study.email)
    lines.append("The demo model computed this from your file; no language model judged it.")
    return "\n\n".join(lines)


def _chart(study: Study) -> Step:
    bars = study.combined or (study.groups[study.drivers[0].column.name] if study.drivers else [])
    if not bars or not study.desk.has("draw_chart"):
        return
    call = Call("draw_chart", _chart_arguments(study, bars))
    reply = yield with_progress(study, 5, "Drawing the chart", "I draw the strongest groups.", call)
    study.hear(reply.said)
    study.charts = [] if reply.last.is_error else [f"{CHART}.svg", f"{CHART}.png"]
    if reply.last.is_error:
        study.problems.append(f"The chart could not be drawn: {sentence(reply.last.text)}")


def _chart_arguments(study: Study, bars: Sequence[Group]) -> Mapping[str, Any]:
    measured = study.what().replace("`", "")
    unit = f"{measured[:1].upper()}{measured[1:]}{' (%)' if study.is_flag else ''}"[:60]
    return {
        "kind": "barh",
        "title": report.chart_title(study)[:160],
        "labels": [f"{report.plain(group.value)} ({group.rows:,})" for group in bars],
        "series": [{"name": unit, "values": [_height(study, group) for group in bars]}],
        "y_label": unit,
        "path": CHART,
    }


def _height(study: Study, group: Group) -> float:
    if study.measure is None:
        return group.rows
    return round(group.mean * 100, 1) if study.is_flag else round(group.mean, 4)


def _email(study: Study) -> Step:
    person = study.desk.person()
    if not person or not study.desk.has("email_report") or not study.written:
        return
    arguments = {
        "to": person,
        "subject": report.headline(study)[:200],
        "body": f"{report.plain_answer(study)}\n\n{ATTACHED}",
        "attachments": [REPORT, *study.charts],
    }
    text = f"The report is ready. I would like to email it to {person}; that needs your approval."
    reply = yield Move(text, [Call("email_report", arguments)])
    study.hear(reply.said)
    if reply.first.is_error:
        study.email = "The email was not sent; the report is here."
    else:
        study.email = f"The report was emailed to {person}."


def _remember(study: Study) -> Step:
    if not study.desk.has("remember") or study.measure is None:
        return
    fact = f"In {study.file}, the column to measure was {code(study.measure.name)}. {report.headline(study)}."[:500]
    reply = yield with_progress(study, 6, "Done", "", Call("remember", {"text": fact}))
    study.hear(reply.said)
