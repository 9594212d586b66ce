"""React to hooks of accounts."""

from __future__ import annotations

from accounts import hooks
from accounts.models import Team, User
from billing import entitlements
from billing.models import TeamPlan
from billing.plans import Limit


@hooks.team_created.register
def give_plan(*, team: Team, owner: User) -> None:
    """Every team has one plan row from its first moment: it is what concurrent starts lock."""
    TeamPlan.objects.create(team=team)


@hooks.member_joining.register
def have_a_seat(*, team: Team) -> None:
    """People count, invitations do not: one that finds no free seat (a smaller plan) is refused and stays."""
    advice = "Remove somebody who has left, or choose a larger plan."
    entitlements.require(team=team, what=Limit.SEATS, count=entitlements.count_people, advice=advice)


@hooks.member_inviting.register
def have_a_seat_to_offer(*, team: Team, adding: int) -> None:
    """People count, and the invitations by which others can join: nobody gets a link to a seat that is not there."""
    entitlements.require(team=team, what=Limit.SEATS, adding=adding)
