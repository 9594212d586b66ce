"""Pages that compare two runs, or choose the second one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.errors import NotFound
from accounts.tenancy import TeamRequest, team_required
from tasks.models import Run
from tasks.run_page.related_runs import relatives
from tasks.services.comparisons import compare_runs
from tasks.views.common import run_or_404


@never_cache
@require_safe
@team_required
def run_compare(request: TeamRequest) -> HttpResponse:
    """Compare `?left=ID&right=ID`; with one of them, offer runs to compare with.

    The list of runs sends `?run=ID&run=ID`.
    """
    if "run" in request.GET:
        return _from_list(request)
    left, right = _run_of_side(request, "left"), _run_of_side(request, "right")
    if left and right:
        return render(request, "tasks/run_compare.html", {"told": compare_runs(left, right)})
    known = left or right
    context: dict[str, Any] = {"known": known, "missing": "right" if left else "left"}
    if known:
        context["relatives"] = relatives(known)
    return render(request, "tasks/run_compare_choose.html", context)


def _run_of_side(request: TeamRequest, side: str) -> Run | None:
    """Return the run of that side; None if none is named. Raises NotFound, also for a run of another team."""
    text = request.GET.get(side, "")
    if not text:
        return None
    try:
        return run_or_404(request, UUID(text))
    except ValueError as error:
        raise NotFound("This doesn’t exist, or you don’t have access to it.") from error


def _from_list(request: TeamRequest) -> HttpResponse:
    """Redirect to the comparison of two selected runs, the older one on the left."""
    chosen = sorted(set(request.GET.getlist("run")))
    if len(chosen) != 2:
        messages.error(request, f"Choose two runs to compare; you chose {len(chosen)}.")
        return redirect("tasks:run_list", team=request.team.slug)
    query = urlencode({"left": chosen[0], "right": chosen[1]})
    return redirect(f"{reverse('tasks:run_compare', args=[request.team.slug])}?{query}")
