"""Answers of people to agents: questions, approvals, reviews."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import DecimalField, Exists, Max, OuterRef, Q
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Coalesce, Now

from accounts import audit, notifications, strict_json
from accounts.errors import AppError, Conflict, FieldError, Forbidden, InvalidInput
from accounts.models import Team, User
from billing.models import Budget
from tasks import event_log, events, queue, schemas
from tasks.call_digest import digest as digest_of
from tasks.models import HumanRequest, RequestKind, RequestStatus, Run, RunStatus, Step, StepKind, StepStatus
from tasks.models.human import HumanRequestQuerySet
from tasks.request_kinds import kind_of
from tasks.services.approvers import why_barred
from tools import arguments as tool_arguments
from tools import catalog

K = RequestKind
MAX_ANSWER = 20_000
"""Characters of an answer or comment."""
USD = DecimalField(max_digits=14, decimal_places=6)


@transaction.atomic
def answer_request(
    *, asked: HumanRequest, actor: User, answer: Mapping[str, Any], is_admin: bool = False
) -> HumanRequest:
    """Close the request and let its run continue.

    A question takes {"value"}; an approval {"decision", "digest", "arguments", "comment"}; the others {"decision", …}.
    Raises InvalidInput, which leaves it open; Conflict if it is closed already or another call was shown; Forbidden.
    Only with `is_admin` may a run's limit be raised beyond what its agent may spend on one run.
    """
    run = Run.objects.select_for_update().get(pk=asked.run_id)
    locked: Any = HumanRequest.objects.select_for_update().annotate(now=Now()).get(pk=asked.pk)
    asked, now, was = locked, locked.now, run.max_cost_usd
    _still_open(asked, now)
    if barred := why_barred(asked, run, actor):
        raise Forbidden(barred)
    answer = _storable(answer)
    checked = _check_decision(asked, run, answer) if kind_of(asked).decisions else _check_question(asked, answer)
    if "max_cost_usd" in checked and not is_admin:
        _check_cap(run, Decimal(checked["max_cost_usd"]))
    asked.status = RequestStatus.ANSWERED
    asked.answer, asked.answered_by, asked.answered_at = checked, actor, now
    asked.save(update_fields=["status", "answer", "answered_by", "answered_at"])
    event_log.append(
        run,
        events.HumanAnswered(
            request=str(asked.pk),
            kind=asked.kind,
            by=actor.display_name,
            decision=checked.get("decision", ""),
            value=checked.get("value", checked.get("max_cost_usd")),
            comment=checked.get("comment", ""),
        ),
    )
    if kind_of(asked).ends_run:
        _conclude_review(run, asked, actor, checked)
    else:
        _go_on(run, reason="budget" if asked.kind == K.BUDGET else "answered", **_raised_limit(asked, checked))
    said = {"request": str(asked.pk), "decision": checked.get("decision", "")}
    if "max_cost_usd" in checked:
        said |= audit.diff({"max_cost_usd": was}, {"max_cost_usd": Decimal(checked["max_cost_usd"])})
    audit.record(team=run.team, actor=actor, action=f"{asked.kind}.answered", target=run, **said)
    notifications.settle(subject_type="humanrequest", subject_ids=[str(asked.pk)])
    return asked


@dataclass(slots=True)
class Decided:
    """Outcome of deciding many approvals at once."""

    done: list[HumanRequest] = field(default_factory=list)
    refused: list[tuple[HumanRequest, str]] = field(default_factory=list)
    """Requests left open, each with the reason."""


def answer_many(*, requests: Iterable[HumanRequest], actor: User, decision: str, digests: Mapping[str, str]) -> Decided:
    """Allow or refuse many calls, each in its own transaction and only as its digest (by request id) shows it."""
    decided = Decided()
    for asked in requests:
        answer = {"decision": decision, "digest": digests.get(str(asked.pk), "")}
        try:
            decided.done.append(answer_request(asked=asked, actor=actor, answer=answer))
        except AppError as error:
            decided.refused.append((asked, error.detail))
    return decided


def _still_open(asked: HumanRequest, now: datetime) -> None:
    if asked.status == RequestStatus.OPEN and asked.expires_at and asked.expires_at < now:
        raise Conflict("This request has expired; the run goes on without an answer.")
    if asked.status != RequestStatus.OPEN:
        who = f" by {asked.answered_by.display_name}" if asked.answered_by else ""
        words = {"answered": f"It was already answered{who}.", "expired": "It has expired.", "void": "It is void."}
        raise Conflict(words[asked.status])


def _invalid(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError(field, code, message)])


def _storable(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer as the database will return it. A digest taken now must fit what runs later."""
    found = {}
    for name, value in answer.items():
        try:
            found[name] = value if isinstance(value, Decimal) else strict_json.normalise(value, repair=False)
        except strict_json.NotStorable as error:
            raise _invalid(name, "invalid", str(error)) from error
    return found


def _check_question(asked: HumanRequest, answer: Mapping[str, Any]) -> dict[str, Any]:
    value = answer.get("value")
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _invalid("value", "required", "Write an answer.")
    if len(str(value)) > MAX_ANSWER:
        raise _invalid("value", "too_long", f"At most {MAX_ANSWER:,} characters.")
    if asked.schema:
        problem = schemas.validation_error(value, asked.schema)
        if problem:
            raise _invalid("value", "schema", f"The answer does not fit: {problem}.")
    return {"value": value}


def _check_decision(asked: HumanRequest, run: Run, answer: Mapping[str, Any]) -> dict[str, Any]:
    decision = answer.get("decision")
    allowed = kind_of(asked).decisions
    if decision not in allowed:
        raise _invalid("decision", "invalid", f"Decide one of {', '.join(allowed)}.")
    checked = {"decision": decision, "comment": str(answer.get("comment") or "")[:MAX_ANSWER]}
    if asked.kind == K.APPROVAL:
        if answer.get("digest") != asked.digest:
            raise Conflict("Another call was shown to you than the one that waits. Look at it again and decide then.")
        if decision == "edit":
            checked["arguments"] = check_edit(asked, answer.get("arguments"))
            checked["digest"] = digest_of(asked.tool, checked["arguments"])
        elif decision == "approve":
            _check_unedited(asked, answer.get("arguments"))
    if asked.kind == K.REVIEW and decision == "revise" and not checked["comment"].strip():
        raise _invalid("comment", "required", "Say what should change.")
    if asked.kind == K.BUDGET and decision == "raise" and (asked.arguments or {}).get("scope") == "run":
        checked["max_cost_usd"] = str(_check_raise(run, asked, answer.get("max_cost_usd")))
    return checked


def _check_unedited(asked: HumanRequest, arguments: Any) -> None:
    """Raise InvalidInput if an edited call came with the decision to allow the original."""
    if arguments is None or (isinstance(arguments, Mapping) and digest_of(asked.tool, arguments) == asked.digest):
        return
    raise _invalid(
        "arguments",
        "not_what_waits",
        "These are not the arguments of the call that waits. To make your version, decide edit; to allow the call as "
        "it was asked for, leave arguments out.",
    )


def check_edit(asked: HumanRequest, arguments: Any) -> dict[str, Any]:
    """Return the arguments of an edited call.

    Raises InvalidInput if its tool does not take them, Conflict if the tool is gone.
    """
    if not isinstance(arguments, Mapping):
        raise _invalid("arguments", "invalid", "The arguments must be a JSON object.")
    spec = catalog.for_run(team_id=asked.team_id, tools=[{"tool": asked.tool}]).get(asked.tool)
    if spec is None:
        raise Conflict("The tool of this call is gone. The call can only be refused.")
    problem = tool_arguments.check(spec, arguments)
    if problem:
        raise _invalid("arguments", "invalid", problem)
    return dict(arguments)


def _check_raise(run: Run, asked: HumanRequest, wanted: Any) -> Decimal:
    needed = run.cost_usd + Decimal((asked.arguments or {}).get("needed_usd", "0"))
    try:
        limit = Decimal(str(wanted))
    except InvalidOperation as error:
        raise _invalid("max_cost_usd", "invalid", "Write the new limit in dollars, such as 2.50.") from error
    if not limit.is_finite() or limit < needed:
        raise _invalid(
            "max_cost_usd", "too_low", f"The next call may need up to ${needed:.2f} in all; allow at least that."
        )
    if limit > 10_000:
        raise _invalid("max_cost_usd", "too_high", "At most $10,000 for one run.")
    return limit


def _check_cap(run: Run, limit: Decimal) -> None:
    cap = run.version.max_cost_usd
    if limit > cap:
        raise Forbidden(
            f"{run.agent.name} may spend up to ${cap:,.2f} on one run. An owner or admin of the team can allow more."
        )


def _raised_limit(asked: HumanRequest, checked: Mapping[str, Any]) -> dict[str, Any]:
    return {"max_cost_usd": checked["max_cost_usd"]} if "max_cost_usd" in checked else {}


def _go_on(run: Run, *, reason: str, **changes: Any) -> None:
    run.move_to(RunStatus.QUEUED, start_at=None, **changes)
    event_log.append(run, events.RunQueued(reason=reason))
    queue.enqueue_run(run.pk)


def _conclude_review(run: Run, asked: HumanRequest, actor: User, checked: Mapping[str, Any]) -> None:
    decision, comment = checked["decision"], checked["comment"]
    by = actor.display_name
    reviewed = events.RunReviewed(request=str(asked.pk), decision=decision, comment=comment, by=by)
    if decision == "revise":
        index = (run.steps.aggregate(last=Max("index"))["last"] or 0) + 1
        text = f"The reviewer asks for changes: {comment}"
        Step.objects.create(
            run=run,
            index=index,
            kind=StepKind.INPUT,
            status=StepStatus.DONE,
            request={"text": text},
            finished_at=Now(),
        )
        event_log.append(run, reviewed, events.Message(step=index, role="person", text=comment, by=by))
        _go_on(run, reason="revise")
        return
    status = RunStatus.SUCCEEDED if decision == "approve" else RunStatus.REJECTED
    run.move_to(status)
    end = events.RunFinished(
        status=status, summary=comment, cost_usd=f"{run.cost_usd:.6f}", active_s=round(run.active_s, 3)
    )
    event_log.append(run, reviewed, end)


def _waiting_for_money() -> HumanRequestQuerySet:
    """Return the open requests for budgets of a team or agent. A run's own limit is raised by its answer instead."""
    return HumanRequest.objects.open().filter(kind=K.BUDGET).exclude(arguments__scope="run").order_by("asked_at")


def resume_after_budget_change(*, team: Team, agent_id: UUID | None) -> int:
    """Resume runs that wait for a budget of the team or of one agent. Return how many."""
    waiting = _waiting_for_money().for_team(team)
    if agent_id is not None:
        waiting = waiting.filter(run__agent_id=agent_id)
    return sum(_resume(asked, by="A new budget") for asked in waiting)


def resume_within_budget(*, limit: int) -> int:
    """Resume runs that fit their budgets again: a new month began, or reserved money became free."""
    needed = Coalesce(Cast(KT("arguments__needed_usd"), USD), Decimal(0), output_field=USD)
    covering = Q(agent_id=None) | Q(agent_id=OuterRef("run__agent_id"))
    short = Budget.objects.short_of(OuterRef("needed")).filter(covering, team=OuterRef("team"))
    rows = _waiting_for_money().annotate(needed=needed).exclude(Exists(short)).select_related("run")
    waiting: list[Any] = list(rows[:limit])
    budgets: dict[UUID, list[Any]] = defaultdict(list)
    for budget in Budget.objects.with_left().filter(team_id__in={asked.team_id for asked in waiting}):
        budgets[budget.team_id].append(budget)
    resumed = 0
    for asked in waiting:
        mine = [b for b in budgets[asked.team_id] if b.agent_id in (None, asked.run.agent_id)]
        if all(budget.left_usd >= asked.needed for budget in mine):
            for budget in mine:
                budget.left_usd -= asked.needed  # counted here only; the run reserves it by itself
            resumed += _resume(asked, by="Room in the budget")
    return resumed


@transaction.atomic
def _resume(asked: HumanRequest, *, by: str) -> bool:
    run = Run.objects.select_for_update().get(pk=asked.run_id)
    answer = {"decision": "raise", "by": by}
    changes = {"status": RequestStatus.ANSWERED, "answer": answer, "answered_at": Now()}
    if not HumanRequest.objects.open().filter(pk=asked.pk).update(**changes):
        return False
    event_log.append(run, events.HumanAnswered(request=str(asked.pk), kind=K.BUDGET, by=by, decision="raise"))
    _go_on(run, reason="budget")
    return True


def review_run(*, run: Run, actor: User, decision: str, comment: str = "") -> HumanRequest:
    """Approve, reject or revise the result of a run in review. Raises Conflict."""
    asked = HumanRequest.objects.filter(run=run, kind=K.REVIEW).order_by("-asked_at").first()
    if asked is None:
        raise Conflict("This run is not in review.")
    return answer_request(asked=asked, actor=actor, answer={"decision": decision, "comment": comment})
