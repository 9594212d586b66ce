"""Pages of requests and their answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import AppError
from accounts.tenancy import TeamRequest, may, require, team_required
from agents.models import Agent
from tasks.forms.answers import read_answer, request_context
from tasks.forms.call_edits import ApprovalView
from tasks.models import HumanRequest, RequestKind
from tasks.reports.inbox import GROUPS, WITH, InboxPage, InboxQuery, group_counts, group_of, page_of_inbox
from tasks.request_kinds import kind_of, labels
from tasks.services import answers
from tasks.views.common import page_of

DONE = {
    "approve": "Allowed",
    "edit": "Allowed with your changes",
    "reject": "Refused",
    "revise": "Changes asked for",
    "raise": "Limit raised",
    "stop": "Stopped",
}


def _asked_or_404(request: TeamRequest, request_id: UUID) -> HumanRequest:
    mine = HumanRequest.objects.visible_to(request.access)
    return get_object_or_404(mine.select_related(*WITH, "run__version", "run__task"), pk=request_id)


@require_safe
@team_required
def inbox(request: TeamRequest) -> HttpResponse:
    return _render(request, None)


@require_safe
@team_required
def request_detail(request: TeamRequest, request_id: UUID) -> HttpResponse:
    return _render(request, _asked_or_404(request, request_id))


def _render(request: TeamRequest, asked: HumanRequest | None) -> HttpResponse:
    """Render the list, with the chosen request beside it; without one, the first."""
    query = InboxQuery.read(request.GET.dict())
    after = request.GET.get("after", "")
    page = page_of_inbox(query, request.access, request.user, after=after, asked=asked)
    is_chosen = asked is not None
    if asked is None and page.rows:
        asked = _asked_or_404(request, page.rows[0].pk)
    every = HumanRequest.objects.visible_to(request.access).open()
    context: dict[str, Any] = {
        "query": query,
        "inbox": page,
        "lines": _lines(page),
        "kinds": labels().items(),
        "agents": Agent.objects.visible_to(request.access).present().order_by("name"),
        "counts": {"open": every.count(), "mine": every.filter(run__created_by=request.user).count()},
        "may_act": may(request.role, "runs:write"),
        "is_chosen": is_chosen,
        "is_inbox": True,
        "place": page.place(asked) if asked else None,
        "previous": page.previous(asked) if asked else None,
        "next": page.next(asked) if asked else None,
        **(shown(request, asked) if asked else {"asked": None}),
    }
    part = request.headers.get("HX-Request") and request.GET.get("part") == "list"
    return render(request, "tasks/_inbox_list.html" if part else "tasks/inbox.html", context)


def _lines(page: InboxPage) -> list[dict[str, Any]]:
    """Return the rows with their words. The first of a group names it and its count in the whole list."""
    counts = {} if page.query.is_done else group_counts(page.found)
    last, lines = "", []
    for row in page.rows:
        kind = kind_of(row)
        line: dict[str, Any] = {"row": row, "icon": kind.icon, "word": kind.label}
        if counts and (group := group_of(row)) != last:
            last = group
            line |= {"group": group, "group_label": GROUPS[group], "group_count": counts[group]}
        lines.append(line | {"is_soon": last == "hour"})
    return lines


def shown(request: TeamRequest, asked: HumanRequest) -> dict[str, Any]:
    """Return the context of a request. For a review it includes the result and the files."""
    page = page_of(request, asked.run)
    return request_context(asked, viewer=request.user) | {
        "may_act": page.may_act,
        "page": page,
        "run": asked.run,
        "files": page.files,
        "output_text": page.answer_text,
        "linked_files": page.linked_files(reverse("tasks:run_detail", args=[request.team.slug, asked.run_id])),
        "output_json": page.answer_json,
    }


@require_POST
@team_required
def request_answer(request: TeamRequest, request_id: UUID) -> HttpResponse:
    """Submit an answer. Errors, such as a faster answer of somebody else, are shown in the form."""
    asked = _asked_or_404(request, request_id)
    require(request, "runs:write")
    if asked.kind == RequestKind.APPROVAL and request.POST.get("view") in tuple(ApprovalView):
        return _show_approval(request, asked, ApprovalView(request.POST["view"]))
    refused: AppError | None = None
    try:
        answer, is_admin = read_answer(asked, request.POST), may(request.role, "team:admin")
        answers.answer_request(asked=asked, actor=request.user, answer=answer, is_admin=is_admin)
    except AppError as error:
        refused = error
    asked = _asked_or_404(request, request_id)
    if refused is None and request.POST.get("from") == "inbox":
        messages.success(request, _said(asked))
        return _to(request, _next_address(request, asked))
    if refused is None and not request.headers.get("HX-Request"):
        return redirect("tasks:run_detail", team=request.team.slug, run_id=asked.run_id)
    given = request.POST if refused else None
    return _card(request, request_context(asked, viewer=request.user, given=given, refused=refused), refused)


def _said(asked: HumanRequest) -> str:
    """Say what the person has just done: "Allowed: Email bob@example.com"."""
    return f"{DONE.get(str((asked.answer or {}).get('decision')), 'Answered')}: {asked.title}"


def _to(request: TeamRequest, address: str) -> HttpResponse:
    """Open another page, also where htmx waits for a part of this one."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Redirect": address})
    return redirect(address)


def _next_address(request: TeamRequest, asked: HumanRequest) -> str:
    """Return the address of the next request in the list that the person came from, or of its first."""
    query = InboxQuery.read(QueryDict(request.POST.get("back", "")).dict())
    found = query.find(request.access, request.user)
    following = query.after(found, asked).first() or found.first()
    if following is None:
        address = reverse("tasks:inbox", args=[request.team.slug])
    else:
        address = reverse("tasks:request_detail", args=[request.team.slug, following.pk])
    return f"{address}?{query.address}".rstrip("?")


def _show_approval(request: TeamRequest, asked: HumanRequest, view: ApprovalView) -> HttpResponse:
    """Show the requested call, its arguments as fields, or the edited call. Decides nothing."""
    refused: AppError | None = None
    try:
        context = request_context(asked, viewer=request.user, given=request.POST, view=view)
    except AppError as error:
        refused = error
        context = request_context(asked, viewer=request.user, given=request.POST, refused=refused)
    return _card(request, context | {"is_step": True}, refused)


def _card(request: TeamRequest, context: dict[str, Any], refused: AppError | None) -> HttpResponse:
    """Return the request alone: a part for htmx, else a page of its own."""
    context |= {
        "may_act": may(request.role, "runs:write"),
        "is_inbox": request.POST.get("from") == "inbox",
        "query": InboxQuery.read(QueryDict(request.POST.get("back", "")).dict()),
        "run": context["asked"].run,
    }
    template = "tasks/_request.html" if request.headers.get("HX-Request") else "tasks/request_card.html"
    return render(request, template, context, status=refused.status if refused else 200)
