"""Answers of people in forms, and the context of a request's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import ROUND_UP, Decimal
from typing import Any

from django.http import QueryDict

from accounts import strict_json
from accounts.errors import AppError, FieldError, InvalidInput
from accounts.models import User
from tasks.forms import call_edits, questions
from tasks.forms.call_edits import ApprovalView
from tasks.forms.mails import mail_of
from tasks.fragments.lines import arguments_of
from tasks.fragments.rows import ANSWERS, RAISED
from tasks.models import HumanRequest, RequestKind, RequestStatus
from tasks.request_kinds import kind_of
from tasks.services.answers import check_edit
from tasks.services.approvers import why_barred

TEXTUAL = ("string", None)
SHOWN_AT_FIELD = {"value", "arguments", "comment", "max_cost_usd"}


def read_answer(asked: HumanRequest, data: QueryDict) -> dict[str, Any]:
    """Return the answer in the form of `answer_request`. Raises InvalidInput that names the unreadable field."""
    if asked.kind == RequestKind.QUESTION:
        return {"value": _value(asked, data)}
    answer: dict[str, Any] = {"decision": data.get("decision", ""), "comment": data.get("comment", "").strip()}
    if asked.kind == RequestKind.APPROVAL:
        answer["digest"] = data.get("digest", "")
        is_edit = answer["decision"] == "edit" or call_edits.has_arguments(data)
        if is_edit and answer["decision"] in ("approve", "edit") and _is_shown(asked, data):
            # The form's content decides, not its button: a form with an edited call never allows the original.
            answer |= {"decision": "edit", "arguments": call_edits.read_edit(asked, data).arguments}
    if asked.kind == RequestKind.BUDGET:
        answer["max_cost_usd"] = data.get("max_cost_usd", "").strip().lstrip("$")
    return answer


def _is_shown(asked: HumanRequest, data: QueryDict) -> bool:
    """Return True if the form is about the waiting call. Otherwise `answer_request` says what is wrong."""
    return asked.status == RequestStatus.OPEN and data.get("digest") == asked.digest


def _value(asked: HumanRequest, data: QueryDict) -> Any:
    text = data.get("text", "").strip()
    if not text and questions.is_form(asked):
        return questions.read_parts(asked, data)
    options = questions.options_of(asked)
    picked = data.get("choice", "")
    if picked.isdecimal() and int(picked) < len(options):
        choice = options[int(picked)].value
        return f"{choice}. {text}" if text and isinstance(choice, str) and not asked.schema else choice
    schema = asked.schema or {}
    if not text or schema.get("type") in TEXTUAL:
        return text
    if schema["type"] in questions.NUMBERS:
        try:
            return questions.read_simple(text, schema)
        except ValueError as problem:
            said = str(problem).capitalize()
            raise InvalidInput(said, fields=[FieldError("value", "invalid", said)]) from problem
    return _json(text, "value", "Your answer")


def _json(text: str, field: str, name: str) -> Any:
    try:
        return strict_json.loads(text, repair=False)
    except strict_json.NotStorable as error:
        message = f"{name} cannot be read as JSON. {error}"
        raise InvalidInput(message, fields=[FieldError(field, "invalid", message)]) from error


def request_context(
    asked: HumanRequest,
    *,
    viewer: User | None,
    given: QueryDict | None = None,
    refused: AppError | None = None,
    view: ApprovalView | None = None,
) -> dict[str, Any]:
    """Return the context of `tasks/_request.html`; `given` and `refused` are of an answer that was refused.

    `view` chooses what to show of an approval; a form that came back with an edited call shows that version again.
    """
    kind = kind_of(asked)
    errors = {error.field: error.message for error in refused.fields} if refused else {}
    said: dict[str, str] = {name: str(value) for name, value in given.items()} if given else {}
    context: dict[str, Any] = {
        "asked": asked,
        "kind": kind,
        "asked_icon": kind.icon,
        "asked_title": asked.title,
        "asked_why": asked.prompt or kind.why,
        "asked_outcome": outcome(asked),
        "barred": why_barred(asked, asked.run, viewer) if viewer else "",
        "options": questions.options_of(asked),
        "arguments": arguments_of(asked.arguments) if asked.kind != RequestKind.BUDGET else [],
        "suggested_limit": suggested_limit(asked),
        "given": said,
        "errors": errors,
        "problem": refused.detail if refused and not errors.keys() & SHOWN_AT_FIELD else "",
    }
    if asked.kind == RequestKind.QUESTION:
        context |= _question_context(asked, said, errors)
    if asked.kind == RequestKind.APPROVAL:
        context |= _approval_context(asked, given, view, is_refused=refused is not None)
    return context


def _question_context(asked: HumanRequest, said: Mapping[str, str], errors: Mapping[str, str]) -> dict[str, Any]:
    """Return the parts with a control each, one control, or what JSON is wanted."""
    if questions.is_form(asked):
        return {"controls": questions.controls_of(asked, said, errors)}
    control = questions.control_of(asked)
    return {"control": control, "wants_json": "" if control else json.dumps(asked.schema, ensure_ascii=False)[:600]}


def _approval_context(
    asked: HumanRequest, given: QueryDict | None, view: ApprovalView | None, *, is_refused: bool
) -> dict[str, Any]:
    """Return the context of exactly one version of the call.

    That is the original, the fields of an edit, or the edited call.
    """
    if given is None or not _is_shown(asked, given):
        view = ApprovalView.ASKED
    elif is_refused and call_edits.has_arguments(given):
        view = ApprovalView.EDIT
    context: dict[str, Any] = {"approval_view": view or ApprovalView.ASKED, "mail": mail_of(asked)}
    if view == ApprovalView.EDIT:
        context["edit_fields"] = call_edits.edit_fields(asked, given)
    elif view == ApprovalView.REVIEW and given is not None:
        edited = call_edits.read_edit(asked, given)
        check_edit(asked, edited.arguments)
        context |= {"edited": edited, "edit_fields": call_edits.edit_fields(asked, given)}
    return context


def outcome(asked: HumanRequest) -> str:
    """Return the outcome as a phrase to follow the answering person's name: "allowed it once"."""
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


def suggested_limit(asked: HumanRequest) -> str:
    """Return a limit in full cents with room for the next call and some more, or ""."""
    if asked.kind != RequestKind.BUDGET:
        return ""
    about = asked.arguments or {}
    needed = Decimal(about.get("spent_usd", "0")) + Decimal(about.get("needed_usd", "0"))
    wanted = max(needed * Decimal("1.5"), Decimal(about.get("limit_usd", "0")) * 2)
    return str(wanted.quantize(Decimal("0.01"), rounding=ROUND_UP))
