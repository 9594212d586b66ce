"""Budgets: hard monthly limits that the engine reserves against before it spends."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now

from accounts import audit
from accounts.errors import FieldError, InvalidInput
from accounts.models import Team, User
from billing import hooks
from billing.models import Budget, Reservation, UsageKind, UsageOutcome, UsageRecord

MOST_USD = Decimal(1_000_000)


@transaction.atomic
def save_budget(*, team: Team, limit_usd: Decimal | None, agent_id: UUID | None = None) -> Budget | None:
    """Set the monthly budget of the team or of one agent, without an audit record. None removes it."""
    mine = Budget.objects.for_team(team).filter(agent_id=agent_id)
    if limit_usd is None:
        mine.delete()
        hooks.budget_changed(team=team, agent_id=agent_id)
        return None
    if not 0 <= limit_usd <= MOST_USD:
        message = f"A budget lies between $0 and ${MOST_USD:,}."
        raise InvalidInput(message, fields=[FieldError("budget_monthly_usd", "invalid", message)])
    now = Team.objects.annotate(now=Now()).get(pk=team.pk).now  # the clock by which workers reserve
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    start = {"limit_usd": limit_usd, "period": month.date(), "spent_usd": _spent_since(month, team, agent_id)}
    budget, is_new = Budget.objects.get_or_create(team=team, agent_id=agent_id, defaults=start)
    if not is_new:
        mine.update(limit_usd=limit_usd)
        budget.limit_usd = limit_usd
    hooks.budget_changed(team=team, agent_id=agent_id)
    return budget


def limit_of(*, team: Team, agent_id: UUID | None = None) -> Decimal | None:
    """Return the monthly limit of the team or of one agent, or None."""
    mine = Budget.objects.for_team(team).filter(agent_id=agent_id)
    return mine.values_list("limit_usd", flat=True).first()


@transaction.atomic
def set_budget(
    *, team: Team, actor: User | None, limit_usd: Decimal | None, agent_id: UUID | None = None
) -> Budget | None:
    """Set or remove a monthly limit and write the audit record."""
    before = limit_of(team=team, agent_id=agent_id)
    budget = save_budget(team=team, limit_usd=limit_usd, agent_id=agent_id)
    values = audit.diff({"limit_usd": before}, {"limit_usd": limit_usd})
    action, agent = "budget.cleared" if budget is None else "budget.set", str(agent_id) if agent_id else None
    audit.record(team=team, actor=actor, action=action, target=budget or team, agent=agent, **values)
    return budget


def _spent_since(start: datetime, team: Team, agent_id: UUID | None) -> Decimal:
    """Return the amount charged since `start`: a budget set in the middle of a month counts the whole month."""
    charged = UsageRecord.objects.for_team(team).filter(outcome=UsageOutcome.CHARGED, at__gte=start)
    if agent_id is not None:
        charged = charged.filter(agent_id=agent_id)
    return Decimal(charged.aggregate(total=Sum("cost_usd", default=Decimal(0)))["total"])


@transaction.atomic
def release(*, run_id: UUID) -> None:
    """Release what is still reserved for a run that makes no more calls."""
    for reservation in Reservation.objects.select_for_update().filter(run_id=run_id).order_by("budget_id"):
        Budget.objects.filter(pk=reservation.budget_id).update(reserved_usd=F("reserved_usd") - reservation.amount_usd)
        reservation.delete()


@transaction.atomic
def settle_abandoned_call(
    *,
    team_id: UUID,
    run_id: UUID,
    step_key: str,
    agent_id: UUID,
    agent_label: str,
    task_id: UUID | None,
    model: str,
    worst_usd: Decimal,
) -> None:
    """Record an unanswered call of a run that has ended, and free the reservations of the run.

    The line is `unknown`: an estimate of `worst_usd` that nobody pays. If the worker has written the call's usage
    meanwhile, that line stays the only one.
    """
    release(run_id=run_id)
    if UsageRecord.objects.filter(run_id=run_id, step_key=step_key).exists():
        return
    line = UsageRecord(
        team_id=team_id,
        key=f"unknown:{step_key}",
        kind=UsageKind.MODEL,
        outcome=UsageOutcome.UNKNOWN,
        at=Now(),
        run_id=run_id,
        step_key=step_key,
        agent_id=agent_id,
        agent_label=agent_label,
        task_id=task_id,
        model=model,
        cost_usd=worst_usd,
    )
    UsageRecord.objects.bulk_create([line], ignore_conflicts=True)
