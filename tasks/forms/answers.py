"""Answers of people as forms send them, and what the form of a request shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from typing import Any

from django.http import QueryDict

from accounts import strict_json
from accounts.errors import AppError, FieldError, InvalidInput
from accounts.models import User
from tasks.fragments.lines import arguments_of
from tasks.fragments.rows import ANSWERS, RAISED
from tasks.models import HumanRequest, RequestKind
from tasks.services.answers import why_barred

ICONS = {
    RequestKind.QUESTION: "message-circle-question-mark",
    RequestKind.APPROVAL: "hand",
    RequestKind.REVIEW: "eye",
    RequestKind.BUDGET: "wallet",
    RequestKind.UNKNOWN_EFFECT: "circle-question-mark",
    RequestKind.NO_PROGRESS: "circle-pause",
}
WHY = {
    RequestKind.REVIEW: "Read the result and open the files, then decide. The run counts as done once you approve it."
}
TEXTUAL = ("string", None)
SHOWN_AT_FIELD = {"value", "arguments", "comment", "max_cost_usd"}


def read_answer(asked: HumanRequest, data: QueryDict) -> dict[str, Any]:
    """What the person said, as `answer_request` takes it. InvalidInput names the field that cannot be read."""
    if asked.kind == RequestKind.QUESTION:
        return {"value": _value(asked, data)}
    answer: dict[str, Any] = {"decision": data.get("decision", ""), "comment": data.get("comment", "").strip()}
    if asked.kind == RequestKind.APPROVAL:
        answer["digest"] = data.get("digest", "")
        if answer["decision"] == "edit":
            answer["arguments"] = _edited(asked, data)
    if asked.kind == RequestKind.BUDGET:
        answer["max_cost_usd"] = data.get("max_cost_usd", "").strip().lstrip("$")
    return answer


def _value(asked: HumanRequest, data: QueryDict) -> Any:
    text = data.get("text", "").strip()
    choices = asked.choices or []
    picked = data.get("choice", "")
    if picked.isdecimal() and int(picked) < len(choices):
        choice = choices[int(picked)]
        return f"{choice}. {text}" if text and isinstance(choice, str) and not asked.schema else choice
    if not text or (asked.schema or {}).get("type") in TEXTUAL:
        return text
    return _json(text, "value", "Your answer")


def _json(text: str, field: str, name: str) -> Any:
    try:
        return strict_json.loads(text, repair=False)
    except strict_json.NotStorable as error:
        message = f"{name} cannot be read as JSON. {error}"
        raise InvalidInput(message, fields=[FieldError(field, "invalid", message)]) from error


def _edited(asked: HumanRequest, data: QueryDict) -> dict[str, Any]:
    """The stored arguments with what the form changed. Texts stay texts; everything else is written as JSON.

    A form sends every line break as CRLF: a text that differs from the stored one in nothing else was not changed.
    """
    changed = dict(asked.arguments or {})
    for name, old in changed.items():
        given = data.get(f"arg:{name}")
        if given is None or _lines(given) == _lines(_shown(old)):
            continue
        changed[name] = _lines(given) if isinstance(old, str) else _json(given, "arguments", name)
    return changed


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _shown(value: Any) -> str:
    """An argument as the form shows it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class EditField:
    """One argument of a call in the form that changes it."""

    name: str
    value: str
    is_text: bool
    is_long: bool


def _edit_fields(asked: HumanRequest, given: Mapping[str, str]) -> list[EditField]:
    found = []
    for name, value in (asked.arguments or {}).items():
        is_text = isinstance(value, str)
        text = given.get(f"arg:{name}", _shown(value))
        found.append(EditField(name, text, is_text, "\n" in _lines(text) or len(text) > 90))
    return found


def request_context(
    asked: HumanRequest, *, viewer: User | None, given: QueryDict | None = None, refused: AppError | None = None
) -> dict[str, Any]:
    """What `tasks/_request.html` needs; `given` and `refused` when an answer was not taken."""
    errors = {error.field: error.message for error in refused.fields} if refused else {}
    said: dict[str, str] = {name: str(value) for name, value in given.items()} if given else {}
    return {
        "asked": asked,
        "asked_icon": ICONS[RequestKind(asked.kind)],
        "asked_title": asked.title,
        "asked_why": asked.prompt or WHY.get(RequestKind(asked.kind), ""),
        "asked_outcome": outcome(asked),
        "barred": why_barred(asked, asked.run, viewer) if viewer else "",
        "choices": asked.choices or [],
        "arguments": arguments_of(asked.arguments) if asked.kind != RequestKind.BUDGET else [],
        "edit_fields": _edit_fields(asked, said) if asked.kind == RequestKind.APPROVAL else [],
        "suggested_limit": suggested_limit(asked),
        "wants_json": _wanted_json(asked),
        "given": said,
        "errors": errors,
        "problem": refused.detail if refused and not errors.keys() & SHOWN_AT_FIELD else "",
    }


def outcome(asked: HumanRequest) -> str:
    """What came of it, after the name of the person who answered: "allowed it once"."""
    answer = asked.answer or {}
    if not answer:
        return ""
    if asked.kind == RequestKind.QUESTION:
        return f"answered: {answer.get('value')}"
    review = {"approve": "approved the result", "reject": "rejected the result", "revise": "asked for changes"}
    decision = str(answer.get("decision", ""))
    words = ANSWERS.get((asked.kind, decision), (review.get(decision, decision), ""))[0]
    if "max_cost_usd" in answer:
        words = RAISED
    return f"{words}: {answer['comment']}" if answer.get("comment") else f"{words}."


def _wanted_json(asked: HumanRequest) -> str:
    schema = asked.schema or {}
    return json.dumps(schema, ensure_ascii=False)[:600] if schema.get("type") not in TEXTUAL else ""


def suggested_limit(asked: HumanRequest) -> str:
    """Room for the next call and some more, in full cents."""
    if asked.kind != RequestKind.BUDGET:
        return ""
    about = asked.arguments or {}
    needed = Decimal(about.get("spent_usd", "0")) + Decimal(about.get("needed_usd", "0"))
    wanted = max(needed * Decimal("1.5"), Decimal(about.get("limit_usd", "0")) * 2)
    return str(wanted.quantize(Decimal("0.01"), rounding=ROUND_UP))
