"""Pages that fork and replay a run."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from accounts.errors import AppError
from accounts.rest.idempotency import run_once_per_form
from accounts.tenancy import TeamRequest, require, team_required
from tasks.forms.forks import ForkForm
from tasks.forms.runs import show_refusal
from tasks.models import Run
from tasks.services import forks
from tasks.services.effects import Effect, WouldRepeatEffects
from tasks.services.forks import ForkPoint
from tasks.views.common import run_or_404
from tasks.views.live import number
from tasks.views.run_actions import to_run


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_fork(request: TeamRequest, run_id: UUID) -> HttpResponse:
    """Show or submit the form of a fork.

    `?from_seq=SEQ` names the step to continue after; without it the run starts over.
    """
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    points = forks.fork_points(run)
    given = request.POST if request.method == "POST" else request.GET
    point = _point_at(points, number(given.get("from_seq"), 0))
    form = ForkForm(request.POST or None, run=run, point=point)
    repeated: list[Effect] = []
    if request.method == "POST" and form.is_valid():
        try:
            return to_run(request, run_once_per_form(request, lambda: _fork(request, run, form.changes())))
        except WouldRepeatEffects as error:
            repeated = error.effects
        except AppError as error:
            show_refusal(form, error)
    kept = points.index(point)
    context = {"run": run, "form": form, "points": points, "point": point, "kept": kept, "repeated": repeated}
    status = 422 if form.errors else 409 if repeated else 200
    return render(request, "tasks/run_fork.html", context, status=status)


def _fork(request: TeamRequest, run: Run, changes: dict[str, Any]) -> str:
    """Start the fork and return its id. `repeat_effects` in the form names the steps that the person was shown."""
    act = partial(forks.fork_run, run=run, actor=request.user, **changes)
    try:
        return str(act().pk)
    except WouldRepeatEffects as error:
        if not {str(effect.step) for effect in error.effects} <= set(request.POST.getlist("repeat_effects")):
            raise
    return str(act(repeat_effects=True).pk)


def _point_at(points: list[ForkPoint], seq: int) -> ForkPoint:
    """Return the newest point that was reached by that event."""
    return next(point for point in reversed(points) if point.seq <= seq)


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def run_replay(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    require(request, "runs:write")
    refused: AppError | None = None
    if request.method == "POST":
        try:
            return to_run(
                request, run_once_per_form(request, lambda: str(forks.replay_run(run=run, actor=request.user).pk))
            )
        except AppError as error:
            refused = error
    context = {"run": run, "problem": refused.detail if refused else ""}
    return render(request, "tasks/run_replay.html", context, status=refused.status if refused else 200)
