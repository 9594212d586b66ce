"""Actions on a run: start, message, cancel, retry, continue, receipt, bundle."""

from __future__ import annotations

from functools import partial
from typing import cast
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.errors import AppError, Conflict
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, require, team_required
from tasks.reports.bundle import bundle_download
from tasks.reports.receipt import receipt
from tasks.services import continuing, runs, steering
from tasks.views.common import page_of, run_or_404


def to_run(request: TeamRequest, run_id: UUID | str) -> HttpResponse:
    return redirect("tasks:run_detail", team=request.team.slug, run_id=run_id)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_cancel(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    if request.method != "POST":
        page = page_of(request, run)
        context = {"run": run, "page": page, "asked": page.asked(), "is_page": True}
        return render(request, "tasks/run_cancel.html", context)
    runs.cancel_run(run=run, actor=request.user, reason=request.POST.get("reason", "").strip()[:200])
    messages.success(request, "The run is cancelled.")
    return to_run(request, run.pk)


@require_POST
@team_required
def run_start(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Start a scheduled run now. A warning says if it has started or ended already."""
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    try:
        runs.start_now(run=run, actor=request.user)
    except Conflict as error:
        messages.warning(request, error.detail)
    return to_run(request, run.pk)


@require_POST
@team_required
def run_message(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Send a message to a live run. Errors are shown at the text, which is kept."""
    run = run_or_404(request, run_id)
    text = request.POST.get("text", "").replace("\r\n", "\n")
    refused: AppError | None = None
    try:
        require(request, "runs:write")
        run_once_per_form(request, lambda: str(steering.steer_run(run=run, actor=request.user, text=text).pk))
    except AppError as error:
        refused = error
    is_part = bool(request.headers.get("HX-Request"))
    if refused is None and not is_part:
        return to_run(request, run.pk)
    context = {
        "run": run,
        "page": page_of(request, run_or_404(request, run_id)),
        "text": text if refused else "",
        "problem": refused.detail if refused else "",
        "is_sent": refused is None,
    }
    template = "tasks/_message_form.html" if is_part else "tasks/run_message.html"
    return render(request, template, context, status=refused.status if refused else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_retry(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Ask for confirmation, with effects that may be repeated, or start the run again on POST."""
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    page = page_of(request, run)
    repeat = request.POST.get("repeat_effects") == "1"
    if request.method != "POST" or (page.effects and not repeat):
        return render(request, "tasks/run_retry.html", {"run": run, "page": page})
    act = partial(runs.retry_run, run=run, actor=request.user, repeat_effects=repeat)
    return to_run(request, run_once_per_form(request, lambda: str(act().pk)))


@require_POST
@team_required
def run_continue(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Continue a failed run. A warning says if it cannot be continued."""
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    try:
        run_once_per_form(request, lambda: str(continuing.continue_run(run=run, actor=request.user).pk))
    except Conflict as error:
        messages.warning(request, error.detail)
    return to_run(request, run.pk)


@require_safe
@team_required
def run_receipt(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    context = {"run": run, "page": page_of(request, run), "receipt": receipt(run)}
    return render(request, "tasks/run_receipt.html", context)


@require_safe
@team_required
def run_bundle(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Download the bundle of the run."""
    return cast(HttpResponse, bundle_download(run_or_404(request, run_id), actor=request.user))
