"""Receivers of the hooks of accounts."""

from __future__ import annotations

from accounts import hooks
from accounts.models import Team, User
from billing import entitlements
from billing.models import TeamPlan
from billing.plans import Limit


@hooks.team_created.register
def give_plan(*, team: Team, owner: User) -> None:
    """Create the plan row of a new team. It exists from the start, because concurrent starts lock it."""
    TeamPlan.objects.create(team=team)


@hooks.member_joining.register
def have_a_seat(*, team: Team) -> None:
    """Refuse a new member if the plan has no seat left. Only people count; a refused invitation stays valid."""
    advice = "Remove somebody who has left, or choose a larger plan."
    entitlements.require(team=team, what=Limit.SEATS, count=entitlements.count_people, advice=advice)


@hooks.member_inviting.register
def have_a_seat_to_offer(*, team: Team, adding: int) -> None:
    """Refuse an invitation if no seat is left. Open invitations count as people, so that every link has a seat."""
    entitlements.require(team=team, what=Limit.SEATS, adding=adding)
