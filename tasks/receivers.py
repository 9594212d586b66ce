"""What tasks does when something below it changes."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Sum
from django.dispatch import receiver

from accounts import removal as team_removal
from accounts.models import Notification, Team, User, Viewer
from accounts.signals import notification_due, notifications_changed, team_removed
from agents import removal
from agents.models import Agent
from agents.signals import agent_limited, agent_removed
from billing import entitlements
from billing.plans import Limit
from billing.reports import month_start
from billing.signals import budget_changed
from storage.models import StoredFile, hides
from storage.signals import file_saving
from tasks import event_log
from tasks.models import Artifact, Run, RunInput, RunStatus
from tasks.services import answers, notices, removals, shares

removal.witness(removals.work_of)
team_removal.witness(removals.team_work)
team_removal.link_witness(shares.open_links_by)

entitlements.counted_by(Limit.MONTHLY_RUNS, lambda team: Run.objects.for_team(team).since(month_start()).count())
entitlements.counted_by(
    Limit.CONCURRENT_RUNS, lambda team: Run.objects.for_team(team).filter(status=RunStatus.RUNNING).count()
)
entitlements.counted_by(
    Limit.STORAGE_BYTES, lambda team: int(StoredFile.objects.for_team(team).aggregate(n=Sum("size", default=0))["n"])
)


@hides
def files_of_hidden_agents(access: Viewer) -> Q:
    """Of those, what their runs were given or made; not what the caller brought, nor what a run has that they see."""
    hidden = Q(run__agent__in=Agent.objects.hidden_from(access).values("pk"))

    def is_used(where: Q) -> Q:
        mine = Q(where, file=OuterRef("pk"))
        return Exists(RunInput.objects.filter(mine)) | Exists(Artifact.objects.filter(mine))

    return is_used(hidden) & ~is_used(~hidden) & ~Q(created_by=access.user_id)


@receiver(file_saving)
def have_room(*, team_id: UUID, size: int, **_: Any) -> None:
    """Storage and billing are siblings that do not know each other."""
    entitlements.require(team=Team.objects.get(pk=team_id), what=Limit.STORAGE_BYTES, adding=size)


@receiver(agent_limited)
def close_links(*, agent: Agent, actor: User, was_open: bool, **_: Any) -> None:
    shares.close_links_of(agent=agent, actor=actor, every=was_open)


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
def say_what_is_over(*, notification: Notification, role: str, **_: Any) -> str:
    return notices.why_over(notification, role)


@receiver(notifications_changed)
def ring(*, team_id: UUID, people: list[UUID], **_: Any) -> None:
    """The bells that are open somewhere count anew."""
    event_log.publish([(event_log.team_channel(team_id), {"bell": [str(person) for person in people]})])
