"""Limits of a team's plan. Exact under concurrency: lock the team's plan row first, then count.

Each app registers how to count the rows it owns, so that refusals and meters always agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.errors import FieldError, InvalidInput, LimitReached
from accounts.models import Invitation, Membership, Team, User
from billing import hooks
from billing.models import TeamPlan
from billing.plans import GB, LABELS, PLANS, Limit, Plan

Count = Callable[[Team], int]
WARN_PERCENT = 80
KNOWN_FOR_S = 5.0
"""Seconds an "unlimited" plan is cached in the process; a smaller plan takes effect after that."""
ADVICE = {
    Limit.AGENTS: "Remove one that nobody needs, or choose a larger plan.",
    Limit.MONTHLY_RUNS: "It counts anew on the first of the month (UTC). A larger plan has more.",
    Limit.SEATS: "Open invitations count. Revoke one, remove somebody who has left, or choose a larger plan.",
    Limit.STORAGE_BYTES: "Delete files that nobody needs, or choose a larger plan.",
}

_without_limits: dict[UUID, tuple[Plan, float]] = {}


@dataclass(frozen=True, slots=True)
class Meter:
    """Usage of one limit. `limit` is None if there is no limit."""

    what: Limit
    used: int
    limit: int | None

    @property
    def label(self) -> str:
        return LABELS[self.what]

    @property
    def words(self) -> str:
        used = amount(self.what, self.used)
        return used if self.limit is None else f"{used} of {amount(self.what, self.limit)}"

    @property
    def left(self) -> str:
        return amount(self.what, max(0, (self.limit or 0) - self.used))

    @property
    def percent(self) -> int:
        if self.limit is None:
            return 0
        return min(100, self.used * 100 // self.limit) if self.limit else 100

    @property
    def level(self) -> str:
        """Return "warn", "over" or "".

        Concurrent runs have no level: reaching that limit refuses nothing, runs queue.
        """
        if self.what == Limit.CONCURRENT_RUNS or self.limit is None:
            return ""
        return "over" if self.used >= self.limit else "warn" if self.percent >= WARN_PERCENT else ""


def _counters() -> dict[Limit, Count]:
    """Return the counting functions of all limits, as the apps that own the rows registered them."""
    return {what: count for counters in hooks.limit_counters() for what, count in counters.items()}


def plan_of(team: Team) -> Plan:
    key = TeamPlan.objects.filter(team=team).values_list("plan", flat=True).first()
    return PLANS[key or settings.DEFAULT_PLAN]


def require(*, team: Team, what: Limit, adding: int = 1, count: Count | None = None, advice: str | None = None) -> None:
    """Raise LimitReached unless the plan allows `adding` more.

    Call it in the transaction that adds them, before any other lock: the plan's row stays locked until the commit, so
    that concurrent callers cannot share the last place. `count` replaces the meter's counting function; `advice` then
    says how to make room.
    """
    if _is_known_without(team.pk, what):
        return
    plan = _locked(team)
    limit = plan.limits[what]
    if limit is None:
        _remember(team.pk, plan)
        return
    used = (count or _counters()[what])(team)
    if used + adding > limit:
        raise _refusal(team, plan, what, limit, used, ADVICE.get(what, "") if advice is None else advice)


@contextmanager
def room_for(*, team: Team, what: Limit, adding: int = 1) -> Iterator[None]:
    """Require room for one write.

    A transaction opens only if there is something to count: with an unlimited plan the write has to be a single
    statement.
    """
    if _is_known_without(team.pk, what):
        yield
        return
    with transaction.atomic():
        require(team=team, what=what, adding=adding)
        yield


def meter(team: Team, what: Limit, plan: Plan | None = None) -> Meter:
    return Meter(what, _counters()[what](team), (plan or plan_of(team)).limits[what])


def meters(team: Team, plan: Plan) -> list[Meter]:
    return [meter(team, what, plan) for what in Limit if what in _counters()]


@transaction.atomic
def assign_plan(*, team: Team, actor: User | None, plan: str) -> TeamPlan:
    """Assign a plan. Existing rows above its limits stay; the team cannot add more."""
    if plan not in PLANS:
        raise InvalidInput("There is no such plan.", fields=[FieldError("plan", "invalid_choice", "Choose a plan.")])
    before = _locked(team)
    row, _ = TeamPlan.objects.update_or_create(team=team, defaults={"plan": plan})
    _without_limits.pop(team.pk, None)
    if before.key != plan:
        audit.record(team=team, actor=actor, action="plan.assigned", target=team, before=before.key, after=plan)
    return row


def running_limits() -> dict[str, int]:
    """Return {plan: most concurrent runs of one team} for the plans that limit them."""
    most = {key: plan.limits[Limit.CONCURRENT_RUNS] for key, plan in PLANS.items()}
    return {key: limit for key, limit in most.items() if limit is not None}


def upgrade_url(team: Team) -> str:
    return f"{settings.BASE_URL}{reverse('billing:plan', args=[team.slug])}"


def amount(what: Limit, number: int) -> str:
    """Format a number with its unit: 1,000 · 50 GB · 0.9 GB · 0.4 MB."""
    if what != Limit.STORAGE_BYTES:
        return f"{number:,}"
    if number % GB == 0:
        return f"{number // GB:,} GB"
    return f"{number / GB:,.1f} GB" if number >= GB / 10 else f"{number / 1024**2:,.1f} MB"


def _locked(team: Team) -> Plan:
    rows = TeamPlan.objects.select_for_update(no_key=True).filter(team=team)
    row = rows.first()
    if row is None:
        TeamPlan.objects.get_or_create(team=team)
        row = rows.get()
    return PLANS[row.plan]


def _is_known_without(team_id: UUID, what: Limit) -> bool:
    plan, until = _without_limits.get(team_id, (None, 0.0))
    return plan is not None and plan.limits[what] is None and time.monotonic() < until


def _remember(team_id: UUID, plan: Plan) -> None:
    if len(_without_limits) > 10_000:
        _without_limits.clear()
    _without_limits[team_id] = plan, time.monotonic() + KNOWN_FOR_S


def _refusal(team: Team, plan: Plan, what: Limit, limit: int, used: int, advice: str) -> LimitReached:
    words = f"{LABELS[what]}: {amount(what, used)} of the {amount(what, limit)} in the plan {plan.name} are in use."
    numbers: dict[str, Any] = {"limit": limit, "used": used, "plan": plan.key, "upgrade_url": upgrade_url(team)}
    return LimitReached(f"{words} {advice}".strip(), extra={"entitlement": what.value, **numbers})


def count_people(team: Team) -> int:
    return Membership.objects.filter(team=team).count()


def _count_seats(team: Team) -> int:
    """Count people and open invitations."""
    return count_people(team) + Invitation.objects.for_team(team).good().count()


@hooks.limit_counters.register
def _seats() -> Mapping[Limit, Count]:
    return {Limit.SEATS: _count_seats}
