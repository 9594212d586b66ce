"""What tasks does when something below it changes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from accounts import removal as team_removal
from accounts.models import Notification, Team, User
from accounts.signals import notification_due, notifications_changed, team_removed
from agents import removal
from agents.models import Agent
from agents.signals import agent_removed
from billing.signals import budget_changed
from tasks import stream
from tasks.services import answers, notices, removals

removal.witness(removals.work_of)
team_removal.witness(removals.team_work)


@receiver(agent_removed)
def stop_work(*, agent: Agent, actor: User | None, **_: Any) -> None:
    removals.stop_work_of(agent=agent, actor=actor)


@receiver(team_removed)
def stop_all_work(*, team: Team, actor: User | None, **_: Any) -> None:
    removals.stop_work_of_team(team=team, actor=actor)


@receiver(budget_changed)
def go_on_with_money(*, team: Team, agent_id: UUID | None, **_: Any) -> None:
    """Runs that waited for this budget try again at the same step; what is still too dear waits again."""
    transaction.on_commit(lambda: answers.resume_after_budget_change(team=team, agent_id=agent_id))


@receiver(notification_due)
def say_what_is_over(*, notification: Notification, **_: Any) -> str:
    return notices.why_over(notification)


@receiver(notifications_changed)
def ring(*, team_id: UUID, people: list[UUID], **_: Any) -> None:
    """The bells that are open somewhere count anew."""
    stream.publish([(stream.team_channel(team_id), {"bell": [str(person) for person in people]})])
