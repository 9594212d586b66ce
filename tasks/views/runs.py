"""Pages of runs: the list, a new one, and the live page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AppError
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, may, require, team_required
from agents.models import Agent
from tasks.forms.agent_choice import likely_agent
from tasks.forms.files import keep, uploaded_before
from tasks.forms.runs import RunForm, show_refusal
from tasks.models import WAITS_BY_ITSELF, Run, RunOrigin, RunStatus, Task
from tasks.services import runs
from tasks.services.run_request import RunRequest
from tasks.views.bulk import BACK
from tasks.views.common import page_context, page_of, run_or_404

S = RunStatus
PAGE = 40
"""Runs on a page."""
NEEDS_YOU = Q(status=S.NEEDS_REVIEW) | (Q(status=S.WAITING) & ~Q(waiting_kind__in=WAITS_BY_ITSELF))
IN_PROGRESS = Q(status__in=(S.SCHEDULED, S.QUEUED, S.RUNNING)) | Q(waiting_kind__in=WAITS_BY_ITSELF)
STATES: dict[str, tuple[str, Q]] = {
    "live": ("In progress", IN_PROGRESS),
    "needs_you": ("Needs you", NEEDS_YOU),
    "succeeded": ("Done", Q(status=S.SUCCEEDED)),
    "failed": ("Not done", Q(status__in=(S.FAILED, S.REJECTED, S.EXPIRED, S.CANCELLED))),
}


SPANS = {"1": "Last 24 hours", "7": "Last 7 days", "30": "Last 30 days"}
VIEWS = (("Needs you, mine", "status=needs_you&by=me"), ("Failed this week", "status=failed&days=7"))
"""Views that many want; any other is its address."""


@require_safe
@team_required
def run_list(request: TeamRequest) -> HttpResponse:
    """List runs, newest first, in keyset pages: `?before=ID`."""
    state, agent, task = (request.GET.get(name, "") for name in ("status", "agent", "task"))
    found = Run.objects.visible_to(request.access).with_people_words()
    if state in STATES:
        found = found.filter(STATES[state][1])
    agents = list(Agent.objects.visible_to(request.access).present().order_by("name"))
    chosen = next((one for one in agents if str(one.pk) == agent), None)
    of_task = _task(request, task)
    if chosen:
        found = found.filter(agent=chosen)
    if of_task:
        found = found.filter(task=of_task)
    q, days, by = _wanted(request)
    for word in q.split():
        found = found.filter(Q(title__icontains=word) | Q(prompt__icontains=word) | Q(agent__name__icontains=word))
    if days:
        found = found.since(timezone.now() - timedelta(days=int(days)))
    if by:
        found = found.filter(created_by=request.user)
    rows, older, newer = _page(found, request.GET.get("before", ""), request.GET.get("after", ""))
    context = {
        "runs": rows,
        "older": older,
        "newer": newer,
        "states": [(name, label) for name, (label, _) in STATES.items()],
        "state": state if state in STATES else "",
        "agents": agents,
        "agent": agent if chosen else "",
        "of_task": of_task,
        "is_filtered": bool(state in STATES or chosen or of_task or q or days or by),
        "q": q,
        "days": days,
        "by": by,
        "spans": SPANS.items(),
        "views": VIEWS,
        "address": request.GET.urlencode(),
        "back": {name: value for name, value in request.GET.items() if name in BACK and value},
        "may_run": may(request.role, "runs:write"),
    }
    return render(request, "tasks/run_list.html", context)


def _wanted(request: TeamRequest) -> tuple[str, str, str]:
    """Read the search, the days and the person of the list. What cannot be read is left out."""
    q, days, by = (request.GET.get(name, "") for name in ("q", "days", "by"))
    return q.replace("\x00", "").strip()[:100], days if days in SPANS else "", "me" if by == "me" else ""


def _task(request: TeamRequest, task_id: str) -> Task | None:
    key = _uuid(task_id)
    return Task.objects.visible_to(request.access).filter(pk=key).first() if key else None


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _page(found: Any, before: str, after: str) -> tuple[list[Run], UUID | None, UUID | None]:
    """Return the rows, and the ids from which the older and newer pages go on."""
    if newest := _uuid(after):
        rows = list(found.filter(pk__gt=newest).order_by("pk")[: PAGE + 1])
        has_newer, rows = len(rows) > PAGE, rows[:PAGE][::-1]
        return rows, rows[-1].pk if rows else None, rows[0].pk if has_newer else None
    oldest = _uuid(before)
    rows = list((found.filter(pk__lt=oldest) if oldest else found).order_by("-pk")[: PAGE + 1])
    has_older, rows = len(rows) > PAGE, rows[:PAGE]
    return rows, rows[-1].pk if has_older else None, rows[0].pk if oldest and rows else None


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_new(request: TeamRequest) -> HttpResponse:
    """Show or submit the form of a new run."""
    require(request, "runs:write")
    form = RunForm(request.POST or None, request.FILES or None, access=request.access, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        try:
            run_id = run_once_per_form(request, lambda: str(_start(request, form).pk))
        except AppError as error:
            names = {f"limits.{n}": n for n in ("max_cost_usd", "max_turns")}
            show_refusal(form, error, names | {"limits.timeout_s": "timeout_min", "start_at": "start_date"})
        else:
            return redirect("tasks:run_detail", team=request.team.slug, run_id=run_id)
    attached = uploaded_before(request.POST.getlist("attached"), request.access)
    context = {"form": form, "attached": attached, "agents": form.fields["agent"].queryset}  # type: ignore[attr-defined]
    return render(request, "tasks/run_new.html", context, status=422 if form.errors else 200)


def _initial(request: TeamRequest) -> dict[str, Any]:
    agent = request.GET.get("agent") or likely_agent(request.access, request.user)
    return {"agent": agent, "prompt": request.GET.get("prompt", "")[:2000]}


def _start(request: TeamRequest, form: RunForm) -> Run:
    files = uploaded_before(request.POST.getlist("attached"), request.access)
    files += keep(form.cleaned_data["attachments"], team=request.team, actor=request.user)
    asked = RunRequest(
        team=request.team,
        origin=RunOrigin.PAGE,
        actor=request.user,
        agent=form.cleaned_data["agent"],
        prompt=form.cleaned_data["prompt"].replace("\r\n", "\n"),
        attachments=files,
        limits=form.limits(),
        review=form.cleaned_data["review"],
        **form.when(),
    )
    return runs.start_run(asked)


@require_safe
@team_required
def run_detail(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    context = page_context(request, page_of(request, run), socket=f"/ws/runs/{run.pk}/")
    return render(request, "tasks/run_detail.html", context)
