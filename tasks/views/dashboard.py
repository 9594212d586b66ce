"""Dashboard of a team: present work, open requests, and figures."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, may, membership_required, team_required
from agents.models import Agent
from tasks.reports import activity

SERIES = [
    {"name": "Done", "cls": "c-ok"},
    {"name": "Needs you", "cls": "c-human"},
    {"name": "Failed", "cls": "c-bad"},
]


FEW_RUNS, MAX_PERCENT = 10, 300
"""Fewest runs and largest change for which a percentage is shown; otherwise the two numbers say more."""


@require_safe
@membership_required
def dashboard(request: TeamRequest) -> HttpResponse:
    team = request.team
    if request.session.get("last_team") != team.slug:
        request.session["last_team"] = team.slug
    if not may(request.role, "runs:read"):
        return redirect("tasks:budgets", team=team.slug)
    agents = {agent.pk: agent for agent in Agent.objects.visible_to(request.access).select_related("version")}
    if not any(agent.status != "removed" for agent in agents.values()):
        return render(request, "tasks/dashboard_empty.html", {"may_start": may(request.role, "agents:write")})
    found = activity.activity(request.access)
    context = {
        **_live(request),
        "recent": activity.recent(request.access),
        "activity": found,
        "budget": activity.month_budget(team),
        "rows": sorted(
            ((agents[pk], tally) for pk, tally in found.agents.items() if pk in agents),
            key=lambda row: -row[1].runs,
        )[:6],
        **_charts(found),
    }
    return render(request, "tasks/dashboard.html", context)


@require_safe
@team_required
def dashboard_live(request: TeamRequest) -> HttpResponse:
    """Return the part of the dashboard that changes while someone looks at it."""
    return render(request, "tasks/_dashboard_live.html", _live(request))


def _live(request: TeamRequest) -> dict[str, Any]:
    return {
        "working": activity.working_now(request.access),
        "scheduled": activity.starting_later(request.access),
        "asked": activity.needs_you(request.access),
        "counts": activity.open_counts(request.access),
        "may_work": may(request.role, "runs:write"),
    }


def _charts(found: activity.Activity) -> dict[str, Any]:
    days = [
        {"label": f"{day.day} {day:%b}", "values": [tally.done, tally.asking, tally.bad]}
        for day, tally in found.days.items()
    ]
    before = found.week_before.runs
    change = round(100 * (found.week.runs - before) / before) if before else None
    return {
        "days": days,
        "days_short": days[-7:],
        "series": SERIES,
        "runs_trend": [tally.runs for tally in found.days.values()],
        "week_change": change,
        "week_fewer": -(change or 0),
        "shows_percent": change is not None and before >= FEW_RUNS and change <= MAX_PERCENT,
        "done_trend": [tally.done_percent for tally in found.days.values() if tally.done_percent is not None],
        "average_trend": [tally.active_s / tally.runs for tally in found.days.values() if tally.runs],
        "average_s": found.week.active_s / ended if (ended := found.week.done + found.week.bad) else None,
    }
