"""Position of a queued run in its team's queue, and the reason of its wait."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q
from django.db.models.functions import Now

from billing import entitlements
from billing.plans import Limit
from tasks.models import Run, RunStatus


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """`ahead` counts the runs of the team that are taken first, `running` those that work now."""

    ahead: int
    running: int
    reason: str = ""
    """Reason why no worker takes the first in line; "" when one will."""

    @property
    def ordinal(self) -> str:
        """The place in words, as in "4th"."""
        place = self.ahead + 1
        ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
        return f"{place:,}{ending}"


def queue_position(run: Run) -> QueuePosition:
    """Count as the workers claim: by priority, then by the time of queueing."""
    is_due = Q(start_at=None) | Q(start_at__lte=Now())
    first = Q(priority__gt=run.priority)
    if run.queued_at is not None:
        first |= Q(priority=run.priority, queued_at__lt=run.queued_at)
    counts = (
        Run.objects.for_team(run.team)
        .filter(status__in=(RunStatus.QUEUED, RunStatus.RUNNING))
        .order_by()
        .aggregate(
            ahead=Count("pk", filter=Q(status=RunStatus.QUEUED) & is_due & first),
            running=Count("pk", filter=Q(status=RunStatus.RUNNING)),
            of_agent=Count("pk", filter=Q(status=RunStatus.RUNNING, agent_id=run.agent_id)),
        )
    )
    reason = _reason(run, counts["running"], counts["of_agent"])
    return QueuePosition(counts["ahead"], counts["running"], reason)


def _reason(run: Run, running: int, of_agent: int) -> str:
    limit = entitlements.plan_of(run.team).limits[Limit.CONCURRENT_RUNS]
    if limit is not None and running >= limit:
        return f"All {limit} runs that your plan allows at once are in progress."
    most = run.agent.max_concurrent_runs
    if of_agent >= most:
        at_once = "one run" if most == 1 else f"{most} runs"
        return f"{run.agent.name} works on {at_once} at a time."
    return ""
