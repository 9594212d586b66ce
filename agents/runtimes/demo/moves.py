"""The moves that the analyst's steps share."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from agents.runtimes.demo.replay import Call, Move, Reply, Result
from agents.runtimes.demo.study import Study

STEPS = 6

Step = Generator[Move, Reply, None]
Asked = Generator[Move, Reply, Sequence[Result]]


class Stuck(Exception):
    """The work cannot go on; the text says why, for the person."""


def with_progress(study: Study, done: int, label: str, text: str, *calls: Call) -> Move:
    """The calls, after a report of progress where the agent may make one."""
    if study.desk.has("report_progress"):
        calls = (Call("report_progress", {"done": done, "total": STEPS, "label": label}), *calls)
    return Move(" ".join(filter(None, (study.take_heard(), text))), calls)


def ask_table(study: Study, done: int, label: str, text: str, *queries: str) -> Asked:
    """The answers to queries; refused ones are asked once more, as what stood in their way may have passed."""
    calls = [Call("query_table", {"sql": sql}) for sql in queries]
    reply = yield with_progress(study, done, label, text, *calls)
    study.hear(reply.said)
    if any(result.is_error for result in reply.results[-len(calls) :]):
        reply = yield Move("That did not work. I try it once more.", calls)
        study.hear(reply.said)
    results = reply.results[-len(calls) :]
    for result in results:
        if result.is_error:
            raise Stuck(f"I stopped: {sentence(result.text)}")
    return results


def sentence(text: str) -> str:
    """The text on one line, at most 300 characters of it."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else line[:299] + "…"
