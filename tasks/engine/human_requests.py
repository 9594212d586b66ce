"""Requests to people: their contents, and the meaning of answers for the waiting call."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from psycopg.rows import DictRow

from accounts.ids import uuid7
from tasks import schemas
from tasks.call_digest import digest
from tasks.engine.commits import RequestWrite, StepWrite
from tasks.engine.conversation import ToolCall
from tasks.models import RequestKind, RequestStatus
from tools.spec import SpecRecord, ToolSpec

EXPIRES_AFTER = timedelta(days=3)
"""Time in which a question or an approval must be answered."""


def question(call: ToolCall, *, step_index: int, now: datetime) -> RequestWrite:
    """Return the request of an `ask_human` call. An unusable schema is left out, so that any answer fits."""
    arguments = call.arguments
    schema = arguments.get("schema") or None
    return RequestWrite(
        id=uuid7(),
        kind=RequestKind.QUESTION,
        title=str(arguments.get("question", ""))[:200],
        prompt=str(arguments.get("why", "")),
        choices=arguments.get("choices") or None,
        schema=None if schema is None or schemas.schema_error(schema) else schema,
        step_index=step_index,
        call_id=call.id,
        tool=call.tool,
        expires_at=now + EXPIRES_AFTER,
    )


def approval(call: ToolCall, spec: ToolSpec, *, step_index: int, now: datetime) -> RequestWrite:
    """Return the request to approve exactly this call."""
    return RequestWrite(
        id=uuid7(),
        kind=RequestKind.APPROVAL,
        title=(spec.headline(call.arguments) or spec.title)[:200],
        prompt=f"{spec.title} needs your word before it happens.",
        step_index=step_index,
        call_id=call.id,
        tool=call.tool,
        arguments=dict(call.arguments),
        digest=digest(call.tool, call.arguments),
        expires_at=now + EXPIRES_AFTER,
    )


WORKER_LOST = "The call was sent, then the worker was lost before the answer arrived."


def unknown_effect(step: StepWrite, spec: SpecRecord, why: str = WORKER_LOST) -> RequestWrite:
    """Return the request whether a call happened whose answer was lost."""
    return RequestWrite(
        id=uuid7(),
        kind=RequestKind.UNKNOWN_EFFECT,
        title=f"Did this happen? {spec.headline}"[:200],
        prompt=f"{why} Look at the outside service and say what is true; nothing is repeated by itself.",
        choices=["happened", "retry", "skip"],
        step_index=step.index,
        call_id=step.call_id,
        tool=step.tool,
        arguments=dict(step.request),
        digest=digest(step.tool, step.request),
    )


def budget(*, scope: str, spent: str, limit: str, needed: str) -> RequestWrite:
    """Return the request to raise a limit that the next call might exceed."""
    return RequestWrite(
        id=uuid7(),
        kind=RequestKind.BUDGET,
        title=f"The {scope} budget does not allow the next model call",
        prompt=f"Spent ${spent} of ${limit}; the next call may need up to ${needed}. "
        "Raise the limit to continue at the same step, or stop the run.",
        choices=["raise", "stop"],
        arguments={"scope": scope, "spent_usd": spent, "limit_usd": limit, "needed_usd": needed},
    )


def review(*, title: str) -> RequestWrite:
    """Return the request to review the result."""
    return RequestWrite(id=uuid7(), kind=RequestKind.REVIEW, title=f"Review: {title}"[:200])


def no_progress(*, evidence: str, call_id: str) -> RequestWrite:
    """Return the request to continue or stop a run without progress."""
    return RequestWrite(
        id=uuid7(),
        kind=RequestKind.NO_PROGRESS,
        title="The agent seems to be stuck",
        prompt=evidence,
        choices=["continue", "stop"],
        call_id=call_id,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """Decision of a person about a call."""

    is_allowed: bool
    arguments: Mapping[str, Any]
    why_not: str = ""
    note: str = ""


def decision(asked: DictRow, call: ToolCall) -> Decision:
    """Return the meaning of a closed approval. It allows the stored call that was shown, and no other."""
    answer = asked["answer"] or {}
    comment = str(answer.get("comment") or "")
    if asked["status"] == RequestStatus.EXPIRED:
        return Decision(False, call.arguments, why_not="Nobody answered in time, so the call was not made.")
    is_edit = answer.get("decision") == "edit"
    is_shown = asked["digest"] == digest(call.tool, asked["arguments"] or {})
    is_edited = not is_edit or answer["digest"] == digest(call.tool, answer["arguments"])
    if asked["status"] != RequestStatus.ANSWERED or not (is_shown and is_edited):
        return Decision(False, call.arguments, why_not="The approval is void, so the call was not made.")
    if answer.get("decision") == "approve":
        return Decision(True, asked["arguments"], note=comment)
    if is_edit:
        changed = json.dumps(answer["arguments"], ensure_ascii=False)
        return Decision(
            True, answer["arguments"], note=f"A person changed the arguments to {changed}. {comment}".strip()
        )
    reason = f" They said: {comment}" if comment else ""
    return Decision(False, call.arguments, why_not=f"A person did not allow this call.{reason}")


def answer_text(asked: DictRow) -> tuple[str, bool]:
    """Return the result of the question for the model. The flag is True if it counts as an error."""
    if asked["status"] == RequestStatus.ANSWERED:
        value = (asked["answer"] or {}).get("value")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return f"{asked['answered_by'] or 'The person'} answered: {text}", False
    return "Nobody answered in time. Go on with the most careful assumption and say which one you made.", True
