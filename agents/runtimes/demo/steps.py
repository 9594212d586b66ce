"""Turns that the analyst's steps share."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from agents.runtimes.demo.analysis_state import AnalysisState, Finding
from agents.runtimes.demo.replay import Call, Reply, Result, ScriptedTurn

STEPS = 6

Step = Generator[ScriptedTurn, Reply, None]
Asked = Generator[ScriptedTurn, Reply, Sequence[Result]]
Answer = Generator[ScriptedTurn, Reply, Finding]


class CannotContinue(Exception):
    """The work cannot continue; the text gives the reason to the person."""


class NoAnswer(CannotContinue):
    """The table has no answer to this question; it may have one to another."""


def with_progress(state: AnalysisState, done: int, label: str, text: str, *calls: Call) -> ScriptedTurn:
    """Return a turn with the calls, after a progress report if the agent has that tool."""
    if state.context.has("report_progress"):
        calls = (Call("report_progress", {"done": done, "total": STEPS, "label": label}), *calls)
    return ScriptedTurn(" ".join(filter(None, (state.acknowledge_message(), text))), calls)


def try_table(state: AnalysisState, done: int, label: str, text: str, *queries: str) -> Asked:
    """Return the results of queries, including errors. Failed queries are repeated once, because the cause may pass."""
    calls = [Call("query_table", {"sql": sql}) for sql in queries]
    reply = yield with_progress(state, done, label, text, *calls)
    state.read_message(reply.message)
    if any(result.is_error for result in reply.results[-len(calls) :]):
        reply = yield ScriptedTurn("That did not work. Trying once more.", calls)
        state.read_message(reply.message)
    return reply.results[-len(calls) :]


def ask_table(state: AnalysisState, done: int, label: str, text: str, *queries: str) -> Asked:
    """Return the results of queries; raise CannotContinue if one failed."""
    results = yield from try_table(state, done, label, text, *queries)
    for result in results:
        if result.is_error:
            raise CannotContinue(f"I stopped: {sentence(result.text)}")
    return results


def sentence(text: str) -> str:
    """Return the text on one line, at most 300 characters of it."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"
