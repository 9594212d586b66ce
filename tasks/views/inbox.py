"""Pages of requests and their answers."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.errors import AppError
from accounts.tenancy import TeamRequest, may, require, team_required
from tasks.forms.answers import ICONS, read_answer, request_context
from tasks.forms.call_edits import ApprovalView
from tasks.models import HumanRequest, RequestKind, RequestStatus
from tasks.services import answers
from tasks.views.common import page_of

MOST = 100
"""Requests that are listed."""
WORDS = {
    RequestKind.QUESTION: "Question",
    RequestKind.APPROVAL: "Approval",
    RequestKind.REVIEW: "Review",
    RequestKind.BUDGET: "Budget",
    RequestKind.UNKNOWN_EFFECT: "What happened?",
    RequestKind.NO_PROGRESS: "Stuck",
}


def _asked_or_404(request: TeamRequest, request_id: UUID) -> HumanRequest:
    mine = HumanRequest.objects.visible_to(request.access)
    return get_object_or_404(mine.select_related(*_WITH, "run__version", "run__task", "answered_by"), pk=request_id)


_WITH = ("run__agent", "run__created_by", "run__team")


@require_safe
@team_required
def inbox(request: TeamRequest) -> HttpResponse:
    return _render(request, None)


@require_safe
@team_required
def request_detail(request: TeamRequest, request_id: UUID) -> HttpResponse:
    return _render(request, _asked_or_404(request, request_id))


def _render(request: TeamRequest, asked: HumanRequest | None) -> HttpResponse:
    """Render the list, with the chosen request beside it; without one, the newest."""
    show = request.GET.get("show", "open")
    every = HumanRequest.objects.visible_to(request.access).select_related(*_WITH)
    chosen = every.exclude(status=RequestStatus.OPEN) if show == "done" else every.open()
    if show == "mine":
        chosen = chosen.filter(run__created_by=request.user)
    rows = list(chosen.order_by("-answered_at", "-id")[:MOST] if show == "done" else chosen.order_by("-id")[:MOST])
    is_chosen = asked is not None
    if asked is None and rows:
        asked = _asked_or_404(request, rows[0].pk)
    context: dict[str, Any] = {
        "rows": [(row, ICONS[RequestKind(row.kind)], WORDS[RequestKind(row.kind)]) for row in rows],
        "show": show,
        "counts": {"open": every.open().count(), "mine": every.open().filter(run__created_by=request.user).count()},
        "is_chosen": is_chosen,
        "is_inbox": True,
        **_around(rows, asked),
        **(shown(request, asked) if asked else {"asked": None}),
    }
    part = request.headers.get("HX-Request") and request.GET.get("part") == "list"
    return render(request, "tasks/_inbox_list.html" if part else "tasks/inbox.html", context)


def _around(rows: list[HumanRequest], asked: HumanRequest | None) -> dict[str, Any]:
    """Return the place of the chosen request in the list, with its neighbours."""
    place = next((n for n, row in enumerate(rows) if asked and row.pk == asked.pk), None)
    if place is None:
        return {"place": None, "newer": None, "older": rows[0] if rows else None}
    return {
        "place": place + 1,
        "newer": rows[place - 1] if place else None,
        "older": rows[place + 1] if place + 1 < len(rows) else None,
    }


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
    if refused is None and not request.headers.get("HX-Request"):
        if request.POST.get("from") == "inbox":
            return redirect("tasks:inbox", team=request.team.slug)
        return redirect("tasks:run_detail", team=request.team.slug, run_id=asked.run_id)
    given = request.POST if refused else None
    return _card(request, request_context(asked, viewer=request.user, given=given, refused=refused), refused)


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
        "run": context["asked"].run,
    }
    template = "tasks/_request.html" if request.headers.get("HX-Request") else "tasks/request_card.html"
    return render(request, template, context, status=refused.status if refused else 200)
