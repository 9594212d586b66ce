"""Search results of ⌘K besides the pages: the team's agents, tasks and latest runs."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, team_required
from agents.models import Agent
from tasks.models import Task
from tasks.reports import activity

MOST = 50
"""Results of each kind."""


@require_safe
@team_required
def palette(request: TeamRequest) -> HttpResponse:
    context = {
        "agents": Agent.objects.visible_to(request.access).present().order_by("name")[:MOST],
        "tasks": Task.objects.visible_to(request.access).present().select_related("agent").order_by("name")[:MOST],
        "runs": activity.recent(request.access, limit=10),
    }
    return render(request, "tasks/_palette.html", context)
