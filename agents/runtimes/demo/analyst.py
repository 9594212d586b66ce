"""Demo analyst: understands a question about a table, computes the answer with SQL and writes a report.

It knows a few kinds of questions (`request.Ask`) and takes every decision from the results of its tools. A question
that it cannot answer is refused before the work starts, with suggestions.
"""

from __future__ import annotations

from dataclasses import replace

from agents.runtimes.demo import delivery, profiling, questions, revision, writer
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.answers import ANSWERS
from agents.runtimes.demo.replay import Script, ScriptContext, ScriptedTurn
from agents.runtimes.demo.steps import CannotContinue, NoAnswer, Step


def script(context: ScriptContext) -> Script:
    """Script of one assignment, then of one revision per comment, without end."""
    state = AnalysisState(context=context, question=context.prompt)
    try:
        yield from profiling.look(state)
        yield from work(state)
        yield from delivery.deliver(state)
        reply = yield ScriptedTurn(delivery.closing(state))
        while True:
            yield from revision.revise(state, reply.message, work)
            reply = yield ScriptedTurn(delivery.closing(state))
    except profiling.NotATable:
        yield from writer.script(context)
    except CannotContinue as problem:
        reply = yield ScriptedTurn(str(problem), has_failed=True)
        yield from script(replace(context, prompt=revision.prompt_after(context.prompt, reply.message)))


def work(state: AnalysisState) -> Step:
    """Determine the question and answer it; if the table has no answer, ask for another question."""
    while True:
        try:
            yield from questions.settle(state)
            yield from answer(state)
            return
        except NoAnswer as problem:
            yield from questions.another(state, str(problem))


def answer(state: AnalysisState) -> Step:
    """Answer each request. If one of several has no answer, note that as a caveat."""
    state.findings = []
    for request in state.requests:
        try:
            state.findings.append((yield from ANSWERS[request.ask](state, request)))
        except NoAnswer as problem:
            if len(state.requests) == 1:
                raise
            state.problems.append(str(problem))
    if not state.findings:
        raise NoAnswer(state.problems[-1])
