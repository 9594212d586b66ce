"""Receivers of the hooks of lower apps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Sum

from accounts import hooks as account_hooks
from accounts.models import Notification, Team, User, Viewer
from agents import hooks as agent_hooks
from agents.models import Agent
from billing import entitlements
from billing import hooks as billing_hooks
from billing.plans import Limit
from billing.reports import month_start
from storage import hooks as storage_hooks
from storage.models import StoredFile
from tasks import event_log
from tasks.models import Artifact, Run, RunInput, RunStatus
from tasks.services import answers, notices, removals, shares

agent_hooks.agent_dependents.register(removals.work_of)
account_hooks.team_dependents.register(removals.team_work)
account_hooks.links_made_by.register(shares.open_links_by)


@billing_hooks.limit_counters.register
def limit_counters() -> Mapping[Limit, Callable[[Team], int]]:
    return {
        Limit.MONTHLY_RUNS: lambda team: Run.objects.for_team(team).since(month_start()).count(),
        Limit.CONCURRENT_RUNS: lambda team: Run.objects.for_team(team).filter(status=RunStatus.RUNNING).count(),
        Limit.STORAGE_BYTES: lambda team: _stored_bytes(team),
    }


def _stored_bytes(team: Team) -> int:
    return int(StoredFile.objects.for_team(team).aggregate(n=Sum("size", default=0))["n"])


@storage_hooks.hidden_files.register
def files_of_hidden_agents(access: Viewer) -> Q:
    """Filter the files that only runs of agents hidden from the caller use.

    Files that the caller uploaded, or that a visible run uses, are not among them.
    """
    hidden = Q(run__agent__in=Agent.objects.hidden_from(access).values("pk"))

    def is_used(where: Q) -> Q:
        mine = Q(where, file=OuterRef("pk"))
        return Exists(RunInput.objects.filter(mine)) | Exists(Artifact.objects.filter(mine))

    return is_used(hidden) & ~is_used(~hidden) & ~Q(created_by=access.user_id)


@storage_hooks.file_saving.register
def have_room(*, team_id: UUID, size: int) -> None:
    """Raise LimitReached if the plan has no room for the file. Storage and billing do not import each other."""
    entitlements.require(team=Team.objects.get(pk=team_id), what=Limit.STORAGE_BYTES, adding=size)


@agent_hooks.agent_limited.register
def close_links(*, agent: Agent, actor: User, was_open: bool) -> None:
    shares.close_links_of(agent=agent, actor=actor, every=was_open)


@agent_hooks.agent_removed.register
def stop_work(*, agent: Agent, actor: User | None) -> None:
    removals.stop_work_of(agent=agent, actor=actor)


@account_hooks.team_removed.register
def stop_all_work(*, team: Team, actor: User | None) -> None:
    removals.stop_work_of_team(team=team, actor=actor)


@billing_hooks.budget_changed.register
def go_on_with_money(*, team: Team, agent_id: UUID | None) -> None:
    """Resume the runs that waited for this budget, after the commit.

    They retry the same step; one that still costs too much waits again.
    """
    transaction.on_commit(lambda: answers.resume_after_budget_change(team=team, agent_id=agent_id))


@account_hooks.notification_outdated.register
def say_what_is_over(*, notification: Notification, role: str) -> str:
    return notices.why_over(notification, role)


@account_hooks.notifications_changed.register
def ring(*, team_id: UUID, people: Collection[UUID]) -> None:
    """Tell the open bells of these people to count again."""
    event_log.publish([(event_log.team_channel(team_id), {"bell": [str(person) for person in people]})])
