"""Revision of the report after a reviewer's comment."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from agents.runtimes.demo import delivery
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.answers import ANSWERS
from agents.runtimes.demo.language import cues
from agents.runtimes.demo.language.sentence import Sentence
from agents.runtimes.demo.request import Aggregate, Ask, Grouping, Measure, Request
from agents.runtimes.demo.sentences import escaped
from agents.runtimes.demo.steps import NoAnswer, Step
from agents.runtimes.demo.table_columns import Column, measures
from agents.runtimes.demo.understanding.measures import default_aggregate
from agents.runtimes.demo.understanding.mentions import columns_named
from agents.runtimes.demo.understanding.question_kinds import kind_of
from agents.runtimes.demo.understanding.reader import Reader
from agents.runtimes.demo.understanding.understand import understand
from agents.runtimes.demo.wording import code, quoted

OPENING = re.compile(r"^\s*The reviewer asks for changes:\s*", re.IGNORECASE)
SPLIT = re.compile(r"\b(?:by|per|group\w*|break\w*|split\w*|segment\w*|add|nach|pro|je)\b", re.IGNORECASE)
INSTEAD = re.compile(r"\b(?:use|measure|instead|rather|statt\w*|lieber|nimm|verwende)\b", re.IGNORECASE)
AGGREGATES = {"median": Aggregate.MEDIAN, "mean": Aggregate.MEAN, "sum": Aggregate.SUM}


def revise(state: AnalysisState, message: str, work: Callable[[AnalysisState], Step]) -> Step:
    """Do what the comment asks for, and say so in the report.

    It may name another measure or aggregate, another grouping column, or another question.
    """
    comment = OPENING.sub("", message).strip()
    done = _take_in(state, comment)
    state.changes.append(f"Asked: {escaped(quoted(comment))} {done}")
    state.pending_message = comment
    yield from _again(state, work)
    yield from delivery.write_up(state)


def prompt_after(prompt: str, message: str) -> str:
    """Return the prompt after a first try without a result and a person's reply."""
    return f"{prompt}\n{message}" if not message or OPENING.match(message) else message


def _again(state: AnalysisState, work: Callable[[AnalysisState], Step]) -> Step:
    """Answer again, and add a table by each column that a person wants to see."""
    before = state.findings
    state.findings = []
    for request in list(state.requests):
        try:
            state.findings.append((yield from ANSWERS[request.ask](state, request)))
        except NoAnswer as problem:
            state.problems.append(str(problem))
    state.findings = state.findings or before
    first = state.findings[0]
    if first.request.ask is Ask.DRIVERS:
        return
    for column in state.wanted:
        if column == first.request.measure.column or f"By {code(column.name)}" in "".join(first.sections):
            continue
        by = Grouping(column, "month" if column.is_date else "")
        extra = replace(first.request, ask=Ask.FIGURE, by=by, also_by=None, of_rows=False, is_low=False)
        try:
            found = yield from ANSWERS[Ask.FIGURE](state, extra)
            first.sections.append(found.sections[0])
        except NoAnswer as problem:
            state.problems.append(str(problem))


def _take_in(state: AnalysisState, comment: str) -> str:
    """Change the requests as the comment asks; return a sentence for the report."""
    first = state.requests[0]
    measure = _other_measure(state, first, comment)
    if measure is not None:
        aggregate = default_aggregate(measure)
        state.how_decided = ", as the reviewer asked"
        state.requests = [replace(first, measure=Measure(aggregate, measure))]
        return f"Everything is now measured by {code(measure.name)}."
    if (question := _new_question(state, comment)) is not None:
        state.requests.append(question)
        return "Answered as a question of its own."
    wanted = [column for column in columns_named(state.table.asked, comment) if column != first.measure.column]
    able = state.want(wanted)
    if able:
        return "Added a table by " + ", ".join(code(column.name) for column in able) + "."
    other = _other_aggregate(comment)
    if other is not None and _has_number(first):
        state.requests = [replace(first, measure=replace(first.measure, aggregate=other, is_given=True))]
        return f"The {other.value} is taken now."
    return (
        "The demo model counted everything again. It can add a table by another column or measure another one when "
        "the comment names it, and could not act on the rest."
    )


def _other_measure(state: AnalysisState, first: Request, comment: str) -> Column | None:
    """Return a column to measure that the comment names, unless it asks to group by it."""
    able = [column for column in columns_named(measures(state.table.asked), comment) if column != first.measure.column]
    if not able:
        return None
    before = comment[: max(0, comment.lower().find(able[0].name.lower().split("_")[0]))]
    is_grouping = SPLIT.search(before) is not None and INSTEAD.search(comment) is None
    return None if is_grouping else able[0]


def _new_question(state: AnalysisState, comment: str) -> Request | None:
    """Return the comment as a request if it is a question, else None."""
    sentence = Sentence(comment)
    asks = comment.rstrip().endswith("?") or re.match(
        r"^(?:which|what|how|who|when|welche|was|wie|wer|wann)\b", sentence.plain
    )
    if not asks or kind_of(Reader(sentence, state.table)) is None:
        return None
    found = understand(comment, state.table, {})
    return found if isinstance(found, Request) else None


def _other_aggregate(comment: str) -> Aggregate | None:
    sentence = Sentence(comment)
    return next((AGGREGATES[name] for name, pattern in cues.AGGREGATES if sentence.has(pattern)), None)


def _has_number(request: Request) -> bool:
    column = request.measure.column
    return column is not None and column.is_number and not request.measure.is_indicator
