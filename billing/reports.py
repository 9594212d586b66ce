"""Spending of a team and its agents this month, against their limits. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum
from django.utils import timezone

from accounts.models import Team
from billing.models import Budget, UsageOutcome, UsageRecord

WARN_PERCENT = 80


@dataclass(frozen=True, slots=True)
class Standing:
    """Spending of the current month. `reserved_usd` is reserved for calls in progress."""

    limit_usd: Decimal | None
    spent_usd: Decimal
    reserved_usd: Decimal = Decimal(0)

    @property
    def percent(self) -> int:
        """Return the share of the limit that is spent or reserved, in percent."""
        if self.limit_usd is None:
            return 0
        used = self.spent_usd + self.reserved_usd
        return int(used * 100 / self.limit_usd) if self.limit_usd else 100

    @property
    def level(self) -> str:
        return "over" if self.percent >= 100 else "warn" if self.percent >= WARN_PERCENT else ""


def month_start() -> datetime:
    return timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def standings(team: Team) -> tuple[Standing, dict[UUID, Standing]]:
    """Return the team's standing, and that of each agent that has spent something or has a limit."""
    month = month_start()
    charged = UsageRecord.objects.for_team(team).filter(outcome=UsageOutcome.CHARGED, at__gte=month)
    spent: dict[UUID | None, Decimal] = dict(
        charged.order_by().values("agent_id").annotate(usd=Sum("cost_usd")).values_list("agent_id", "usd")
    )
    of_team = Standing(None, sum(spent.values(), Decimal(0)))
    found = {agent: Standing(None, usd) for agent, usd in spent.items() if agent}
    for budget in Budget.objects.for_team(team):
        counted = budget.spent_usd if budget.period == month.date() else Decimal(0)
        standing = Standing(budget.limit_usd, counted, budget.reserved_usd)
        if budget.agent_id is None:
            of_team = standing
        else:
            found[budget.agent_id] = standing
    return of_team, found
