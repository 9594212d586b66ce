"""Decisions about many calls at once: each is shown whole before, and its outcome told afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from accounts.errors import NotFound
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, require, team_required
from tasks.forms.mails import MAIL_TOOLS, Mail, mail_of
from tasks.fragments.lines import Argument, arguments_of
from tasks.models import HumanRequest, RequestKind, RequestStatus
from tasks.reports.inbox import NEVER, WITH, InboxQuery, uuid_of
from tasks.services import answers
from tasks.services.approvers import why_barred
from tools import catalog

MOST = 100
NAMED = 3
"""Reasons that the message gives; the requests themselves say the others."""


@dataclass(frozen=True, slots=True)
class Call:
    """Call that waits: what it would do, and why this person cannot decide about it."""

    asked: HumanRequest
    mail: Mail | None
    arguments: list[Argument]
    why_not: str


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def requests_answer(request: TeamRequest) -> HttpResponse:
    """Show the chosen calls of one agent and tool; with a decision, answer each with the digest that was shown."""
    require(request, "runs:write")
    chosen = _chosen(request)
    decision = request.POST.get("decision", "")
    if request.method != "POST" or decision not in ("approve", "reject") or not chosen or _problem(chosen):
        return _ask(request, chosen)
    done, refused = run_once_per_form(request, lambda: _decided(request, chosen, decision))
    word = "allowed" if decision == "approve" else "refused"
    if refused:
        more = f" And {len(refused) - NAMED} more." if len(refused) > NAMED else ""
        messages.warning(request, f"{done} {word}, {len(refused)} not. {' '.join(refused[:NAMED])}{more}")
    else:
        messages.success(request, f"{done} {word}.")
    return redirect(_back(request))


def _decided(request: TeamRequest, chosen: list[HumanRequest], decision: str) -> tuple[int, list[str]]:
    shown = {str(asked.pk): request.POST.get(f"digest:{asked.pk}", "") for asked in chosen}
    decided = answers.answer_many(requests=chosen, actor=request.user, decision=decision, digests=shown)
    return len(decided.done), [f"{asked.title}: {why}" for asked, why in decided.refused]


def _chosen(request: TeamRequest) -> list[HumanRequest]:
    """Return the approvals that `?request=ID` names, in the order of the inbox. NotFound if one is not the team's."""
    given = request.POST if request.method == "POST" else request.GET
    wanted: set[UUID] = set()
    for text in given.getlist("request"):
        if (found := uuid_of(text)) is None:
            raise NotFound("There is no such request.")
        wanted.add(found)
    rows = HumanRequest.objects.visible_to(request.access).select_related(*WITH, "run__version")
    chosen = list(rows.filter(pk__in=list(wanted)[: MOST + 1], kind=RequestKind.APPROVAL))
    if len(chosen) < len(wanted):
        raise NotFound("There is no such request.")
    return sorted(chosen, key=lambda asked: (asked.expires_at or NEVER, asked.pk))


def _problem(chosen: list[HumanRequest]) -> str:
    if len({(asked.run.agent_id, asked.tool) for asked in chosen}) > 1:
        return "Select requests of one agent and one tool, so that you see what you decide about."
    return ""


def _ask(request: TeamRequest, chosen: list[HumanRequest]) -> HttpResponse:
    problem = _problem(chosen)
    calls = [_call(request, asked) for asked in chosen]
    first = chosen[0] if chosen else None
    context: dict[str, Any] = {
        "calls": calls,
        "can": sum(not call.why_not for call in calls),
        "problem": problem,
        "agent": first.run.agent if first else None,
        "tool": _title(first) if first else "",
        "is_mail": first is not None and first.tool in MAIL_TOOLS,
        "back": _back(request),
        "back_query": _query(request).address,
    }
    return render(request, "tasks/requests_answer.html", context, status=422 if problem else 200)


def _call(request: TeamRequest, asked: HumanRequest) -> Call:
    why_not = why_barred(asked, asked.run, request.user)
    if asked.status != RequestStatus.OPEN:
        why_not = "It is not open any more."
    return Call(asked, mail_of(asked), arguments_of(asked.arguments), why_not)


def _title(asked: HumanRequest) -> str:
    spec = catalog.for_run(team_id=asked.team_id, tools=[{"tool": asked.tool}]).get(asked.tool)
    return spec.title if spec else asked.tool


def _query(request: TeamRequest) -> InboxQuery:
    given = request.POST if request.method == "POST" else request.GET
    return InboxQuery.read(QueryDict(given.get("back", "")).dict())


def _back(request: TeamRequest) -> str:
    return f"{reverse('tasks:inbox', args=[request.team.slug])}?{_query(request).address}".rstrip("?")
