"""End of a run: check of what was promised, and review by a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from accounts import strict_json
from agents.runtimes.base import Stop
from tasks import schemas
from tasks.engine import conversation, human_requests
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import InputReason
from tasks.models import ErrorCode

MAX_CORRECTIONS = 2
MAX_CANDIDATES = 10
"""Fenced blocks of each kind that are tried as JSON."""
_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([^\s`]*)[^`]*")


async def finish(run: ClaimedRun) -> None:
    """End the run, or ask the model up to MAX_CORRECTIONS times to complete its result.

    Without a result the run fails.
    """
    text = _final_text(run)
    if (conversation.model_steps(run)[-1].result or {}).get("stop") == Stop.NO_RESULT:
        await run.give_up(text)
        return
    output, problem = _output(run, text)
    problem = problem or _missing_artifacts(run)
    if problem is None:
        if run.row["review"]:
            await run.submit_for_review(output, human_requests.review(title=run.row["title"]))
        else:
            await run.succeed(output, summary=text[:300])
        return
    if run.asked_since_continued(InputReason.CORRECTION) >= MAX_CORRECTIONS:
        await run.fail(ErrorCode.BAD_OUTPUT, problem)
    run.ask_model(f"Your result is not complete: {problem} Complete it now.", InputReason.CORRECTION)


def _final_text(run: ClaimedRun) -> str:
    """Return the model's last response; parts that were cut off at the length limit are joined."""
    answers = conversation.model_steps(run)
    parts = [conversation.text_of(answers[-1])]
    for step in reversed(answers[:-1]):
        if (step.result or {}).get("stop") != "max_tokens":
            break
        parts.insert(0, conversation.text_of(step))
    return "".join(parts).strip()


def _output(run: ClaimedRun, text: str) -> tuple[Any, str | None]:
    schema = run.row["output_schema"]
    if not schema:
        return text, None if text else "the final answer is empty."
    unreadable, problems = [], []
    for candidate in _candidates(text):
        try:
            value = strict_json.loads(candidate)
        except strict_json.NotStorable as error:
            unreadable.append(f"the final answer must be only JSON, and it cannot be read. {error}")
            continue
        problem = schemas.validation_error(value, schema)
        if problem is None:
            return value, None
        problems.append(f"the final answer does not fit the declared schema: {problem}.")
    return None, [*problems, *unreadable][0]


def _candidates(text: str) -> list[str]:
    """Return the places where a response's JSON may be.

    These are blocks labelled json, other blocks, and the whole text. Last ones first.
    """
    fenced = list(_fenced(text))
    labelled = [body for kind, body in reversed(fenced) if kind == "json"]
    others = [body for kind, body in reversed(fenced) if kind != "json"]
    return [*labelled[:MAX_CANDIDATES], *others[:MAX_CANDIDATES], text]


def _fenced(text: str) -> Iterator[tuple[str, str]]:
    """Yield the fenced blocks of a text as (kind, body).

    A fence ends a block only at the end of a line. JSON texts cannot contain a line break, so backticks inside them
    end nothing.
    """
    fence, kind, body = "", "", list[str]()
    for line in text.split("\n"):
        if not fence:
            if opened := _FENCE.fullmatch(line):
                fence, kind, body = opened[1], opened[2].lower(), []
            continue
        end = line.rstrip()
        body.append(end.removesuffix(fence))
        if end.endswith(fence):
            yield kind, "\n".join(body)
            fence = ""
    if fence:
        yield kind, "\n".join(body)


def _missing_artifacts(run: ClaimedRun) -> str | None:
    missing = [path for path in run.row["required_artifacts"] if path not in run.artifacts]
    return f"these files are missing from the workspace: {', '.join(missing)}." if missing else None
