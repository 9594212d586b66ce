"""Pages of the onboarding: choose a role, see what it would do, start the first run."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError
from accounts.forms import add_refusal
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, require, team_required
from agents import roles
from agents.models import Agent
from agents.services import models
from storage import services as storage
from storage.models import StoredFile
from tasks.forms import FirstRunForm, RoleForm
from tasks.models import Run, RunOrigin
from tasks.services import onboarding, runs
from tasks.services.run_request import RunRequest


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def choose_role(request: TeamRequest) -> HttpResponse:
    require(request, "agents:write")
    form = RoleForm(request.POST or None, initial={"role": roles.ROLES[0].key})
    if request.method == "POST" and form.is_valid():
        try:
            agent = onboarding.hire_role(
                team=request.team, actor=request.user, role=form.cleaned_data["role"], name=form.cleaned_data["name"]
            )
        except AppError as error:
            add_refusal(form, error)
        else:
            return redirect("tasks:onboarding_first_run", team=request.team.slug, agent_id=agent.pk)
    context = {"form": form, "roles": roles.ROLES, "has_key": models.has_real_models()}
    return render(request, "tasks/onboarding_role.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def first_run(request: TeamRequest, agent_id: UUID) -> HttpResponse:
    require(request, "runs:write")
    present = Agent.objects.visible_to(request.access).present().select_related("version")
    agent = get_object_or_404(present, pk=agent_id)
    role = roles.find_by_name(agent.role)
    example = onboarding.example_file(role)
    initial = {"prompt": role.example_prompt if role else "", "use_example": example is not None}
    form = FirstRunForm(request.POST or None, request.FILES or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            run_id = run_once_per_form(request, lambda: str(_start(request, agent, form, example).pk))
        except AppError as error:
            add_refusal(form, error)
        else:
            return redirect("tasks:run_detail", team=request.team.slug, run_id=run_id)
    context = {"form": form, "agent": agent, "version": agent.version, "example": example}
    return render(request, "tasks/onboarding_first_run.html", context, status=422 if form.errors else 200)


def _start(request: TeamRequest, agent: Agent, form: FirstRunForm, example: Path | None) -> Run:
    files = _files(request, form, example)
    prompt = form.cleaned_data["prompt"]
    asked = RunRequest(
        team=request.team, origin=RunOrigin.PAGE, actor=request.user, agent=agent, prompt=prompt, attachments=files
    )
    return runs.start_run(asked)


def _files(request: TeamRequest, form: FirstRunForm, example: Path | None) -> list[StoredFile]:
    """Return the person's own file, or the example."""
    upload = form.cleaned_data["file"]
    if upload:
        content_type = upload.content_type or "application/octet-stream"
        return [_save(request, upload, upload.name, content_type)]
    if form.cleaned_data["use_example"] and example:
        return [_save(request, example, example.name, mimetypes.guess_type(example.name)[0] or "text/csv")]
    return []


def _save(request: TeamRequest, content: Any, name: str, content_type: str) -> StoredFile:
    return storage.save_file(
        team_id=request.team.pk, content=content, name=name, content_type=content_type, created_by=request.user
    )
