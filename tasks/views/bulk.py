"""Pages that cancel or retry many runs: confirmation first, then the result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
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
from tasks.models import LIVE, Run, RunStatus
from tasks.services import continuing, runs
from tasks.services.continuing import why_not
from tasks.services.effects import Effect, effects_of

MOST = 200
"""Runs of one action."""
BACK = ("status", "agent", "task", "q", "days", "by", "before", "after")
"""Query parameters of the list of runs, kept for the way back."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Selected runs, by what can be done with them."""

    live: Sequence[Run]
    over: Sequence[Run]

    @property
    def counts(self) -> Counter[str]:
        return Counter(run.status for run in self.live)

    @property
    def unstarted(self) -> int:
        return self.counts[RunStatus.SCHEDULED] + self.counts[RunStatus.QUEUED]

    @property
    def working(self) -> int:
        return self.counts[RunStatus.RUNNING]

    @property
    def waiting(self) -> int:
        return self.counts[RunStatus.WAITING] + self.counts[RunStatus.NEEDS_REVIEW]

    @property
    def spent_usd(self) -> Decimal:
        return sum((run.cost_usd for run in self.live), Decimal(0))

    @property
    def may_cost_usd(self) -> Decimal:
        return sum((run.max_cost_usd for run in self.over), Decimal(0))


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def runs_cancel(request: TeamRequest) -> HttpResponse:
    require(request, "runs:write")
    chosen = _selection(request)
    if request.method != "POST" or not chosen.live:
        return _ask(request, "tasks/runs_cancel.html", chosen)
    reason = request.POST.get("reason", "").strip()[:200]
    done, over = runs.cancel_runs(runs=[*chosen.live, *chosen.over], actor=request.user, reason=reason)
    return _told(request, f"{len(done)} cancelled", len(over), "already finished")


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def runs_retry(request: TeamRequest) -> HttpResponse:
    require(request, "runs:write")
    chosen = _selection(request)
    if request.method != "POST" or not chosen.over:
        return _ask(request, "tasks/runs_retry.html", chosen, repeated=_with_effects(chosen))
    new, kept, left = run_once_per_form(request, lambda: _retry(request, chosen))
    done = f"{new} started again"
    if kept:
        done += f", {kept} left alone because of what {'it' if kept == 1 else 'they'} did outside"
    return _told(request, done, left, "not finished, or their agent takes no work now")


def _retry(request: TeamRequest, chosen: Chosen) -> tuple[int, int, int]:
    """Retry the runs. Return the numbers of new runs, of runs whose effects would repeat, and of other refusals."""
    repeat = request.POST.get("repeat_effects") == "1"
    done = runs.retry_runs(runs=chosen.over, actor=request.user, repeat_effects=repeat)
    return len(done.new), len(done.with_effects), len(done.refused) + len(chosen.live)


def _with_effects(chosen: Chosen) -> list[tuple[Run, list[Effect]]]:
    """Return the runs with effects, with those effects."""
    made = effects_of(chosen.over)
    return [(run, made[run.pk]) for run in chosen.over if made[run.pk]]


@require_http_methods(["GET", "HEAD", "POST"])
@team_required
def runs_continue(request: TeamRequest) -> HttpResponse:
    require(request, "runs:write")
    chosen = _selection(request)
    can = [run for run in chosen.over if not why_not(run)]
    if request.method != "POST" or not can:
        return _ask(request, "tasks/runs_continue.html", chosen, can=can)
    done, left = run_once_per_form(request, lambda: _continued(request, chosen))
    return _told(request, f"{done} continued", left, "not failed, or cannot go on")


def _continued(request: TeamRequest, chosen: Chosen) -> tuple[int, int]:
    done, refused = continuing.continue_runs(runs=chosen.over, actor=request.user)
    return len(done), len(refused) + len(chosen.live)


def _selection(request: TeamRequest) -> Chosen:
    """Return the runs that `?run=ID` names, each once, oldest first. Raises NotFound if one is not visible."""
    given = request.POST if request.method == "POST" else request.GET
    try:
        wanted = {UUID(text) for text in given.getlist("run")}
    except ValueError as error:
        raise NotFound("There is no such run.") from error
    found = list(Run.objects.visible_to(request.access).with_people_words().filter(pk__in=list(wanted)[:MOST]))
    if len(found) < len(wanted):
        raise NotFound("There is no such run.")
    found.sort(key=lambda run: run.pk)
    return Chosen([run for run in found if run.status in LIVE], [run for run in found if run.status not in LIVE])


def _ask(request: TeamRequest, template: str, chosen: Chosen, **more: Any) -> HttpResponse:
    context: dict[str, Any] = {
        "chosen": chosen,
        "every": [*chosen.live, *chosen.over],
        "back": _list_query(request).dict(),
    }
    return render(request, template, context | more)


def _told(request: TeamRequest, done: str, left: int, why: str) -> HttpResponse:
    if left:
        were = "was" if left == 1 else "were"
        messages.warning(request, f"{done}, {left} {were} {why}.")
    else:
        messages.success(request, f"{done}.")
    return redirect(
        f"{reverse('tasks:run_list', args=[request.team.slug])}?{_list_query(request).urlencode()}".rstrip("?")
    )


def _list_query(request: TeamRequest) -> QueryDict:
    """Return the query of the list that the person came from."""
    given = request.POST if request.method == "POST" else request.GET
    query = QueryDict(mutable=True)
    for name in BACK:
        if value := given.get(name):
            query[name] = value
    return query
