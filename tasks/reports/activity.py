"""Reports over many runs: the dashboard's numbers and the agents' activity. Reads only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.core.cache import cache
from django.db.models import Count, F, Q, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from accounts.ids import first_id_at
from accounts.models import Team, Viewer
from agents.models import Agent, AgentStatus
from billing.models import Budget
from tasks.models import WAITS_BY_ITSELF, HumanRequest, Run, RunStatus
from tasks.models.run import RunQuerySet

SLOW_S = 0.05
"""Seconds of counting above which the result is cached for KEPT_S."""
KEPT_S = 60
BAD = (RunStatus.FAILED, RunStatus.EXPIRED, RunStatus.REJECTED)
ASKING = Q(status=RunStatus.NEEDS_REVIEW) | (Q(status=RunStatus.WAITING) & ~Q(waiting_kind__in=WAITS_BY_ITSELF))


@dataclass(slots=True)
class Tally:
    """Counts of a set of runs by outcome, with their time and cost."""

    runs: int = 0
    done: int = 0
    bad: int = 0
    asking: int = 0
    active_s: float = 0.0
    cost_usd: Decimal = Decimal(0)

    def add(self, row: Mapping[str, Any]) -> None:
        self.runs += row["runs"]
        self.done += row["done"]
        self.bad += row["bad"]
        self.asking += row["asking"]
        self.active_s += row["active_s"] or 0.0
        self.cost_usd += row["cost_usd"] or 0

    @property
    def done_percent(self) -> float | None:
        """Percentage of success among runs that succeeded or failed. Cancelled runs do not count."""
        ended = self.done + self.bad
        return round(100 * self.done / ended, 1) if ended else None


@dataclass(slots=True)
class Activity:
    """Activity of a team by day, and by agent since the first of the month."""

    days: dict[date, Tally]
    agents: dict[UUID, Tally]
    week: Tally = field(default_factory=Tally)
    week_before: Tally = field(default_factory=Tally)
    month: Tally = field(default_factory=Tally)


def activity(access: Viewer, *, now: datetime | None = None) -> Activity:
    """Return the activity of the last weeks. Where counting is slow, the result is cached for up to a minute."""
    key = f"activity:{access.team.pk}:{'' if access.sees_every_agent else access.user_id}"
    if now is None and isinstance(kept := cache.get(key), Activity):
        return kept
    started = time.perf_counter()
    found = _count(access, (now or timezone.now()).date())
    if now is None and time.perf_counter() - started > SLOW_S:
        cache.set(key, found, KEPT_S)
    return found


def _count(access: Viewer, today: date, days: int = 14) -> Activity:
    """Count the runs of this month and of the last `days` days, in one pass."""
    month = today.replace(day=1)
    window = [today - timedelta(days=n) for n in reversed(range(days))]
    found = Activity(days={day: Tally() for day in window}, agents={})
    for row in _by_day_and_agent(Run.objects.visible_to(access), min(month, window[0])):
        day: date = row["day"]
        if day in found.days:
            found.days[day].add(row)
        if day > today - timedelta(days=7):
            found.week.add(row)
        elif day > today - timedelta(days=14):
            found.week_before.add(row)
        if day >= month:
            found.month.add(row)
            found.agents.setdefault(row["agent"], Tally()).add(row)
    return found


def _by_day_and_agent(all_runs: RunQuerySet, since: date, **only: Any) -> Iterable[Any]:
    start = datetime(since.year, since.month, since.day, tzinfo=timezone.get_current_timezone())
    runs = all_runs.filter(id__gte=first_id_at(start), **only)
    return (
        runs.annotate(day=TruncDate("created_at"))
        .values("day", "agent")
        .annotate(
            runs=Count("pk"),
            done=Count("pk", filter=Q(status=RunStatus.SUCCEEDED)),
            bad=Count("pk", filter=Q(status__in=BAD)),
            asking=Count("pk", filter=ASKING),
            active_s=Sum("active_s", filter=Q(finished_at__isnull=False)),
            cost_usd=Sum("cost_usd"),
        )
        .order_by()
    )


def agent_tally(agent: Agent, *, days: int = 30) -> tuple[Tally, list[int]]:
    """Return the sum of an agent's last days, and its runs for each day, oldest first."""
    today = timezone.now().date()
    rows = list(_by_day_and_agent(Run.objects.for_team(agent.team), today - timedelta(days=days - 1), agent=agent))
    tally = Tally()
    for row in rows:
        tally.add(row)
    by_day = {row["day"]: row["runs"] for row in rows}
    return tally, [by_day.get(today - timedelta(days=n), 0) for n in reversed(range(days))]


@dataclass(frozen=True, slots=True)
class Presence:
    """Present activity of an agent."""

    state: str
    """working, waiting, idle or paused."""
    run: Run | None = None
    """Newest run that the agent works on or waits in."""


def presence(access: Viewer, agents: Iterable[Agent]) -> dict[UUID, Presence]:
    """Return the presence of each agent. Waiting for a person takes precedence over working."""
    live = Run.objects.visible_to(access).filter(status__in=(S.RUNNING, S.WAITING, S.NEEDS_REVIEW))
    asking = {run.agent_id: run for run in live.filter(ASKING).order_by("agent_id", "-id").distinct("agent_id")}
    working = live.filter(status=S.RUNNING).order_by("agent_id", "-id").distinct("agent_id")
    running = {run.agent_id: run for run in working}
    found = {}
    for agent in agents:
        if agent.pk in asking:
            found[agent.pk] = Presence("waiting", asking[agent.pk])
        elif agent.pk in running:
            found[agent.pk] = Presence("working", running[agent.pk])
        else:
            found[agent.pk] = Presence("paused" if agent.status == AgentStatus.PAUSED else "idle")
    return found


S = RunStatus


def working_now(access: Viewer, limit: int = 6) -> list[Run]:
    """Return the running runs, newest first, then the queued ones in their order."""
    live = Run.objects.visible_to(access).with_people_words()
    running = list(live.filter(status=S.RUNNING).order_by("-id")[:limit])
    queued = live.filter(status=S.QUEUED).order_by("-priority", "queued_at")[: limit - len(running)]
    return running + list(queued)


def starting_later(access: Viewer, limit: int = 3) -> list[Run]:
    """Return the scheduled runs, the next one first."""
    scheduled = Run.objects.visible_to(access).with_people_words().filter(status=S.SCHEDULED)
    return list(scheduled.order_by("start_at", "id")[:limit])


def needs_you(access: Viewer, limit: int = 6) -> list[HumanRequest]:
    """Return the open requests, the one that expires first at the top."""
    asked = HumanRequest.objects.visible_to(access).open().select_related("run", "run__agent")
    return list(asked.order_by(F("expires_at").asc(nulls_last=True), "id")[:limit])


def open_counts(access: Viewer) -> dict[str, int]:
    """Count the runs in progress and the queued ones."""
    runs = Run.objects.visible_to(access).filter(status__in=(S.RUNNING, S.QUEUED))
    return runs.aggregate(
        running=Count("pk", filter=Q(status=S.RUNNING)), queued=Count("pk", filter=Q(status=S.QUEUED))
    )


def recent(access: Viewer, limit: int = 8) -> list[Run]:
    return list(Run.objects.visible_to(access).with_people_words().order_by("-id")[:limit])


def month_budget(team: Team) -> Budget | None:
    """Return the team's monthly budget, or None."""
    return Budget.objects.for_team(team).filter(agent_id=None).first()


def agent_budgets(team: Team) -> dict[UUID, Budget]:
    """Return the monthly budgets of single agents by agent id."""
    return {b.agent_id: b for b in Budget.objects.for_team(team).exclude(agent_id=None) if b.agent_id}
