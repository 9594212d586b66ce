"""The demo analyst: understands a question about a table, works the answer out with SQL and writes it up.

It knows a few kinds of questions (`request.Ask`) and takes every decision from what its tools answered. What it cannot
answer it says before it works, and offers what it can.
"""

from __future__ import annotations

from dataclasses import replace

from agents.runtimes.demo import delivery, profiling, questions, revision, writer
from agents.runtimes.demo.analysis_state import AnalysisState
from agents.runtimes.demo.answers import ANSWERS
from agents.runtimes.demo.replay import Script, ScriptContext, ScriptedTurn
from agents.runtimes.demo.steps import CannotContinue, NoAnswer, Step


def script(context: ScriptContext) -> Script:
    """One assignment, then one revision for each comment, without end."""
    state = AnalysisState(context=context, question=context.prompt)
    try:
        yield from profiling.look(state)
        yield from work(state)
        yield from delivery.deliver(state)
        reply = yield ScriptedTurn(delivery.closing(state))
        while True:
            yield from revision.revise(state, reply.said, work)
            reply = yield ScriptedTurn(delivery.closing(state))
    except profiling.NotATable:
        yield from writer.script(context)
    except CannotContinue as problem:
        reply = yield ScriptedTurn(str(problem), has_failed=True)
        yield from script(replace(context, prompt=revision.prompt_after(context.prompt, reply.said)))


def work(state: AnalysisState) -> Step:
    """Settle what is asked and answer it; if the table has no answer, another question may have one."""
    while True:
        try:
            yield from questions.settle(state)
            yield from answer(state)
            return
        except NoAnswer as problem:
            yield from questions.another(state, str(problem))


def answer(state: AnalysisState) -> Step:
    """Work out each request. One of several that has no answer is a caveat."""
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
