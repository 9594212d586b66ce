"""Search results of ⌘K besides the pages: agents, tasks, runs and delivered files of the team."""

from __future__ import annotations

from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, team_required
from agents.models import Agent
from tasks.models import Artifact, Run, Task
from tasks.reports import activity

MOST = 50
FOUND = 10
"""Results of each kind: without a search, and of one."""


@require_safe
@team_required
def palette(request: TeamRequest) -> HttpResponse:
    """Render what every word of `?q=` is found in; without one, what there is and the latest runs."""
    words = request.GET.get("q", "").replace("\x00", "").split()[:10]
    agents = Agent.objects.visible_to(request.access).present().order_by("name")
    tasks = Task.objects.visible_to(request.access).present().select_related("agent").order_by("name")
    context = {
        "agents": agents.filter(_has(words, "name", "role"))[: FOUND if words else MOST],
        "tasks": tasks.filter(_has(words, "name", "prompt"))[: FOUND if words else MOST],
        "runs": _runs(request, words) if words else activity.recent(request.access, limit=FOUND),
        "files": _files(request, words) if words else [],
        "is_search": bool(words),
    }
    return render(request, "tasks/_palette.html", context)


def _runs(request: TeamRequest, words: list[str]) -> QuerySet[Run]:
    found = Run.objects.visible_to(request.access).with_people_words()
    return found.filter(_has(words, "title", "prompt", "agent__name")).order_by("-pk")[:FOUND]


def _files(request: TeamRequest, words: list[str]) -> QuerySet[Artifact]:
    found = Artifact.objects.visible_to(request.access).select_related("run")
    return found.filter(_has(words, "path")).order_by("-updated_at")[:FOUND]


def _has(words: list[str], *fields: str) -> Q:
    """Match rows in which each word stands in one of the fields."""
    wanted = Q()
    for word in words:
        wanted &= reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields))
    return wanted
