"""Parts of a run's page that change: its state, older events, polled events, log and timeline."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, may, team_required
from tasks import fragments
from tasks.frames import frame_of, public
from tasks.live import history
from tasks.models import Run, RunKind
from tasks.run_page.timeline import timeline
from tasks.views.common import page_of, run_or_404, state_context

LOG_PAGE = 500
"""Events on a page of the log."""


def number(text: str | None, default: int) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 10 else default


@never_cache
@require_safe
@team_required
def run_state(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    return stamped(render(request, "tasks/_run_state.html", state_context(page_of(request, run))), run)


def stamped(response: HttpResponse, run: Run) -> HttpResponse:
    """Add the header X-Last-Seq, the last event that the response includes."""
    response["X-Last-Seq"] = str(run.last_seq)
    return response


@never_cache
@require_safe
@team_required
def run_history(request: TeamRequest, run_id: UUID) -> HttpResponse:
    return earlier(request, run_or_404(request, run_id))


def earlier(request: HttpRequest, run: Run) -> HttpResponse:
    """Return the activity lines of events below `?before`, for the top of the list."""
    shown = history.activity(run, before=number(request.GET.get("before"), run.last_seq + 1))
    response = HttpResponse("".join(shown.lines))
    response["X-First-Seq"] = str(shown.first_seq)
    return response


@never_cache
@require_safe
@team_required
def run_frames(request: TeamRequest, run_id: UUID) -> HttpResponse:
    return frames(request, run_or_404(request, run_id))


def frames(request: HttpRequest, run: Run, *, is_public: bool = False) -> JsonResponse:
    """Return the frames after `?after`, as the socket sends them, for networks that block WebSockets."""
    found = history.frames_after(run, after=number(request.GET.get("after"), 0))
    found = [public(frame) for frame in found] if is_public else found
    bodies = [frame | {"html": fragments.render(frame)} for frame in found]
    return JsonResponse({"frames": bodies, "last_seq": run.last_seq, "status": run.status})


@never_cache
@require_safe
@team_required
def run_log(request: TeamRequest, run_id: UUID) -> HttpResponse:
    return log(request, run_or_404(request, run_id))


def log(request: HttpRequest, run: Run, *, is_public: bool = False) -> HttpResponse:
    before = number(request.GET.get("before"), run.last_seq + 1)
    events = run.events.filter(seq__lt=before).order_by("-seq")[:LOG_PAGE]
    found = [frame_of(event) for event in reversed(events)]
    lines = [fragments.log_line(public(frame) if is_public else frame) for frame in found]
    first = max(before - LOG_PAGE, 1)
    if request.headers.get("HX-Request") and "before" in request.GET:
        response = HttpResponse("".join(lines))
        response["X-First-Seq"] = str(first)
        return response
    return render(request, "tasks/_run_log.html", {"lines": lines, "first_seq": first, "run": run})


@never_cache
@require_safe
@team_required
def run_timeline(request: TeamRequest, run_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    return draw_timeline(request, run, may_fork=may(request.role, "runs:write") and run.kind != RunKind.REPLAY)


def draw_timeline(request: HttpRequest, run: Run, *, may_fork: bool = False) -> HttpResponse:
    return render(request, "tasks/_run_timeline.html", {"timeline": timeline(run), "run": run, "may_fork": may_fork})
