"""What billing does when something happens in accounts."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.models import Team
from accounts.signals import team_created
from billing.models import TeamPlan


@receiver(team_created)
def give_plan(*, team: Team, **_: Any) -> None:
    """Every team has one plan row from its first moment: it is what concurrent starts lock."""
    TeamPlan.objects.create(team=team)
