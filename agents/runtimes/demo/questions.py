"""Which column is the measure: as the prompt says, or as the person answers."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agents.runtimes.demo import reading
from agents.runtimes.demo.analysis_state import AnalysisState, amount, code, count_of
from agents.runtimes.demo.columns import Column, Kind, fitting, measures, named
from agents.runtimes.demo.replay import Call, ScriptedTurn
from agents.runtimes.demo.steps import Step

MOST_CHOICES = 6
ANY = "Decide for me"
AIM = re.compile(r"\b(?:drives?|driving|affects?|influences?|explains?|predicts?|causes?|behind)\b", re.IGNORECASE)
"""What follows one of these words is what the person wants measured."""


def choose_measure(state: AnalysisState) -> Step:
    """Ask once if more than one column fits; never if the prompt names it or only one does."""
    able = measures(state.columns)
    asked = AIM.split(state.question, maxsplit=1)[-1]
    meant = named(able, asked)[:1] or named(able, state.question)[:1] or fitting(able, asked) or able
    if len(meant) < 2:
        state.measure = meant[0] if meant else None
        return
    default = next((column for column in meant if column.kind is Kind.FLAG), meant[0])
    if not state.context.has("ask_human"):
        _decide(state, default, "it was the first that fits, and nobody could be asked")
        return
    yield from _ask(state, meant[:MOST_CHOICES], default)


def _ask(state: AnalysisState, meant: Sequence[Column], default: Column) -> Step:
    arguments = {
        "question": "Which column should I measure?",
        "why": _why(meant, default)[:1000],
        "choices": [*(column.name for column in meant), ANY],
        "default": ANY,
    }
    text = "Your question fits more than one column, so I ask before I count."
    reply = yield ScriptedTurn(text, [Call("ask_human", arguments)])
    state.hear(reply.said)
    answered = [] if reply.first.is_error else named(meant, reply.first.answer)
    if answered:
        state.measure, state.why_measure = answered[-1], ", as answered"
    else:
        _decide(state, default, "the choice was left to me")


def _why(meant: Sequence[Column], default: Column) -> str:
    listed = "; ".join(f"{code(column.name)} ({_what_it_is(column)})" for column in meant)
    return (
        f"{count_of(len(meant), 'column')} could be what you mean: {listed}. "
        f"If you are not sure, leave it to me: I would take {code(default.name)}."
    )


def _decide(state: AnalysisState, column: Column, why: str) -> None:
    state.measure, state.why_measure = column, f" ({why})"


def _what_it_is(column: Column) -> str:
    if column.kind is Kind.FLAG:
        return f"yes or no, {column.filled:,} rows filled"
    return f"number, {_bound(column.low, column)} to {_bound(column.high, column)}"


def _bound(text: str, column: Column) -> str:
    """As it stands in the file; money as money."""
    written = amount(reading.number(text), column.name)
    return written if written.lstrip("-")[:1] in "$€£" else text
