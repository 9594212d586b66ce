"""What billing does when something happens in accounts."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from accounts.models import Team
from accounts.signals import member_inviting, member_joining, team_created
from billing import entitlements
from billing.models import TeamPlan
from billing.plans import Limit


@receiver(team_created)
def give_plan(*, team: Team, **_: Any) -> None:
    """Every team has one plan row from its first moment: it is what concurrent starts lock."""
    TeamPlan.objects.create(team=team)


@receiver(member_joining)
def have_a_seat(*, team: Team, **_: Any) -> None:
    """People count, invitations do not: one that finds no free seat (a smaller plan) is refused and stays."""
    advice = "Remove somebody who has left, or choose a larger plan."
    entitlements.require(team=team, what=Limit.SEATS, count=entitlements.count_people, advice=advice)


@receiver(member_inviting)
def have_a_seat_to_offer(*, team: Team, adding: int, **_: Any) -> None:
    """People count, and the invitations by which others can join: nobody gets a link to a seat that is not there."""
    entitlements.require(team=team, what=Limit.SEATS, adding=adding)
