"""Pages of tasks: the list, one task with its history, the editor, starting, deletion."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import OuterRef, Q, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.errors import AppError
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, may, require, team_required
from agents.models import Agent
from tasks import variables
from tasks.forms.files import keep, uploaded_before
from tasks.forms.runs import TaskRunForm, show_refusal
from tasks.forms.tasks import (
    TaskForm,
    initial_of,
    kept_rows,
    posted_rows,
    show_task_refusal,
    variable_rows,
)
from tasks.models import LIVE, Run, RunOrigin, Task
from tasks.reports.estimates import estimate
from tasks.services import assignments, runs
from tasks.services.run_request import RunRequest

PAGE = 50
"""Tasks that are listed."""
HISTORY = 20
"""Runs of a task that are listed."""


@require_safe
@team_required
def task_list(request: TeamRequest) -> HttpResponse:
    """List the tasks in three queries, however many there are."""
    present = Task.objects.visible_to(request.access).present()
    text, agent = request.GET.get("q", "").strip(), request.GET.get("agent", "")
    last_run = Run.objects.filter(task=OuterRef("pk")).order_by("-id").values("pk")[:1]
    shown = present.select_related("agent").annotate(last_run_id=Subquery(last_run)).order_by("-id")
    if text:
        shown = shown.filter(Q(name__icontains=text) | Q(prompt__icontains=text))
    if agent:
        shown = shown.filter(agent__in=[a for a in _agents(request) if str(a.pk) == agent])
    tasks = list(shown[:PAGE])
    last_ids = {task.pk: getattr(task, "last_run_id", None) for task in tasks}
    last = Run.objects.visible_to(request.access).in_bulk([key for key in last_ids.values() if key])
    context = {
        "rows": [(task, last.get(last_ids[task.pk])) for task in tasks],
        "agents": _agents(request),
        "text": text,
        "agent": agent,
        "is_filtered": bool(text or agent),
        "is_cut": len(tasks) == PAGE,
        "may_change": may(request.role, "agents:write"),
        "may_run": may(request.role, "runs:write"),
    }
    return render(request, "tasks/task_list.html", context)


def _agents(request: TeamRequest) -> list[Agent]:
    found = getattr(request, "_agents", None)
    if found is None:
        found = list(Agent.objects.visible_to(request.access).present().order_by("name"))
        request._agents = found  # type: ignore[attr-defined]
    return found


def _task_or_404(request: TeamRequest, task_id: UUID) -> Task:
    mine = Task.objects.visible_to(request.access).present().select_related("agent__version", "team", "created_by")
    return get_object_or_404(mine, pk=task_id)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def task_detail(request: TeamRequest, task_id: UUID) -> HttpResponse:
    """Show the task and its history; a POST runs it."""
    task = _task_or_404(request, task_id)
    form = TaskRunForm(request.POST or None, request.FILES or None, task=task)
    if request.method == "POST":
        require(request, "runs:write")
        if form.is_valid():
            try:
                run_id = run_once_per_form(request, lambda: str(_start(request, task, form).pk))
            except AppError as error:
                show_refusal(form, error, form.names | {"start_at": "start_date"})
            else:
                return redirect("tasks:run_detail", team=request.team.slug, run_id=run_id)
    history = Run.objects.visible_to(request.access).with_people_words().filter(task=task).order_by("-id")
    version = task.agent.version
    context = {
        "task": task,
        "form": form,
        "prompt_parts": variables.parts(task.prompt),
        "most_usd": _lower(task.max_cost_usd, version and version.max_cost_usd),
        "most_s": _lower(task.timeout_s, version and version.timeout_s),
        "most_turns": _lower(task.max_turns, version and version.max_turns),
        "runs": history[:HISTORY],
        "estimate": estimate(task),
        "may_run": may(request.role, "runs:write"),
        "may_change": may(request.role, "agents:write"),
        "attached": uploaded_before(request.POST.getlist("attached"), request.access),
    }
    return render(request, "tasks/task_detail.html", context, status=422 if form.errors else 200)


def _lower(*limits: Any) -> Any:
    return min((limit for limit in limits if limit is not None), default=None)


def _start(request: TeamRequest, task: Task, form: TaskRunForm) -> Run:
    named = form.uploads()
    kept = keep([*named.values(), *form.cleaned_data["attachments"]], team=request.team, actor=request.user)
    values = form.values() | {name: str(file.pk) for name, file in zip(named, kept, strict=False)}
    files = uploaded_before(request.POST.getlist("attached"), request.access) + kept[len(named) :]
    asked = RunRequest(
        team=request.team,
        origin=RunOrigin.PAGE,
        actor=request.user,
        task=task,
        variables=values,
        attachments=files,
        review=form.cleaned_data["review"],
        **form.when(),
    )
    return runs.start_run(asked)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def task_new(request: TeamRequest) -> HttpResponse:
    require(request, "agents:write")
    return _edit(request, None)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def task_edit(request: TeamRequest, task_id: UUID) -> HttpResponse:
    task = _task_or_404(request, task_id)
    require(request, "agents:write")
    return _edit(request, task)


def _edit(request: TeamRequest, task: Task | None) -> HttpResponse:
    initial = initial_of(task) if task else {"agent": request.GET.get("agent")}
    form = TaskForm(request.POST or None, access=request.access, task=task, initial=initial)
    rows = posted_rows(request.POST) if request.method == "POST" else variable_rows(task)
    if request.method == "POST" and "detect" not in request.POST and form.is_valid() & rows.is_valid():
        kept = kept_rows(rows)
        try:
            saved = _save(request, task, form.changes([row.declaration() for row in kept]))
        except AppError as error:
            show_task_refusal(form, kept, error)
        else:
            messages.success(request, f"{saved.name} is saved.")
            return redirect("tasks:task_detail", team=request.team.slug, task_id=saved.pk)
    context: dict[str, Any] = {"form": form, "rows": rows, "task": task, "has_agents": bool(_agents(request))}
    is_refused = request.method == "POST" and "detect" not in request.POST
    return render(request, "tasks/task_form.html", context, status=422 if is_refused else 200)


def _save(request: TeamRequest, task: Task | None, changes: dict[str, Any]) -> Task:
    if task is None:
        return assignments.create_task(team=request.team, actor=request.user, **changes)
    return assignments.update_task(task=task, actor=request.user, changes=changes)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def task_remove(request: TeamRequest, task_id: UUID) -> HttpResponse:
    """Ask for confirmation with what would stop, or delete the task on POST."""
    task = _task_or_404(request, task_id)
    require(request, "agents:write")
    if request.method == "POST":
        assignments.remove_task(task=task, actor=request.user)
        messages.success(request, f"{task.name} is deleted. Its finished runs and files stay.")
        return redirect("tasks:task_list", team=request.team.slug)
    live = Run.objects.visible_to(request.access).filter(task=task, status__in=LIVE).order_by("-id")
    context = {"task": task, "live": live.with_people_words()[:5], "live_count": live.count()}
    return render(request, "tasks/task_remove.html", context)
