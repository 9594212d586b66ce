"""Breaker for agents without progress: a looping run is paused, and a person sees the evidence."""

from __future__ import annotations

import json

from tasks.engine import conversation, human_requests
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import StepWrite
from tasks.models import StepKind, StepStatus, WaitKind

MAX_SAME_CALLS = 5
"""Identical calls with identical results that pause a run."""
MAX_TURNS_WITHOUT_EFFECT = 10
"""Turns in a row without a successful tool call that pause a run."""


async def check(run: ClaimedRun) -> None:
    """Pause the run if it repeats itself, or if nothing has worked for many turns."""
    if run.recordings.is_replay:
        return
    last = max(run.steps, default=0)
    since = max((q["step_index"] or 0 for q in run.requests if q["kind"] == "no_progress"), default=0)
    since = max(since, run.row["continued_at_step"])
    tools = [s for s in run.settled() if s.kind == StepKind.TOOL and s.index > since]
    evidence = _same_calls(tools) or _nothing_works(run, since)
    if evidence:
        request = human_requests.no_progress(evidence=evidence, call_id="")
        request.step_index = last
        await run.wait(kind=WaitKind.NO_PROGRESS, request=request)


def _same_calls(tools: list[StepWrite]) -> str:
    """Return the evidence if the last call was repeated too often with the same result, else "".

    Checked after every call, so earlier calls need no check.
    """
    if not tools:
        return ""
    last, result = tools[-1], _content(tools[-1])
    times = sum(1 for s in tools if s.tool == last.tool and s.request == last.request and _content(s) == result)
    if times < MAX_SAME_CALLS:
        return ""
    said = f"{last.tool} was called {times} times with the same arguments and the same result."
    return f"{said}\n\n{json.dumps(last.request, sort_keys=True)[:500]}\n\n{json.dumps(result)[:500]}"


def _content(step: StepWrite) -> object:
    return (step.result or {}).get("content")


def _nothing_works(run: ClaimedRun, since: int) -> str:
    turns = 0
    for step in reversed(run.settled()):
        if step.index <= since or step.kind == StepKind.INPUT:
            break
        if step.kind == StepKind.TOOL and step.status == StepStatus.DONE:
            break
        turns += step.kind == StepKind.MODEL and step.status == StepStatus.DONE
    if turns >= MAX_TURNS_WITHOUT_EFFECT:
        said = conversation.text_of(conversation.model_steps(run)[-1])[:500]
        return f"{turns} turns without one tool call that worked. The agent says:\n\n{said}"
    return ""
