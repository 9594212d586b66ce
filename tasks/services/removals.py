"""End of the work of a deleted agent or team."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import Conflict
from accounts.models import Team, User
from agents.models import Agent
from storage.models import StoredFile
from tasks.models import Run, RunShare, Task
from tasks.models.run import RunQuerySet
from tasks.services.runs import cancel_run

BATCH = 200
"""Runs of one sweep."""


@transaction.atomic
def stop_work_of(*, agent: Agent, actor: User | None) -> None:
    """Cancel the agent's live runs and remove its tasks. The runs are locked first, so that none ends meanwhile."""
    _cancel(Run.objects.live().filter(agent=agent), actor, f"{agent.name} was deleted.")
    for task in Task.objects.filter(agent=agent).present():
        Task.objects.filter(pk=task.pk).update(removed_at=timezone.now())
        audit.record(team=agent.team, actor=actor, action="task.removed", target=task)


def work_of(agent: Agent) -> Iterator[str]:
    """Yield sentences on what `stop_work_of` would stop, for the confirmation page."""
    live = Run.objects.live().filter(agent=agent).count()
    tasks = Task.objects.present().filter(agent=agent).count()
    if live:
        yield f"{live} live {'run is' if live == 1 else 'runs are'} cancelled; work so far is kept and paid."
    if tasks:
        yield f"{tasks} {'task goes' if tasks == 1 else 'tasks go'} away; finished runs stay."


@transaction.atomic
def stop_work_of_team(*, team: Team, actor: User | None) -> None:
    """Cancel the team's live runs and close the links to finished ones. Runs and their records stay."""
    _cancel(Run.objects.for_team(team).live(), actor, "The team was deleted.")
    RunShare.objects.for_team(team).filter(revoked_at=None).update(revoked_at=timezone.now())


def stop_late_runs() -> None:
    """Cancel runs that were started while their team was deleted. The two transactions did not see each other."""
    closed = Team.objects.filter(removed_at__isnull=False)
    for run in Run.objects.live().filter(team__in=closed).select_related("team")[:BATCH]:
        with suppress(Conflict):  # it has ended by itself
            cancel_run(run=run, actor=None, reason="The team was deleted.")


def team_work(team: Team) -> dict[str, int]:
    """Return counts of the team's work, for the confirmation page."""
    return {
        "agents": Agent.objects.for_team(team).present().count(),
        "tasks": Task.objects.for_team(team).present().count(),
        "live_runs": Run.objects.for_team(team).live().count(),
        "files": StoredFile.objects.for_team(team).count(),
    }


def _cancel(live: RunQuerySet, actor: User | None, reason: str) -> None:
    """Lock the runs, so that none ends meanwhile, and cancel them."""
    for run in live.select_for_update(of=("self",)).order_by("pk").select_related("team"):
        cancel_run(run=run, actor=actor, reason=reason)
