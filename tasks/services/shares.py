"""Read-only links to one run."""

from __future__ import annotations

import hashlib
import secrets

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import NotFound
from accounts.models import Team, User
from agents.models import Agent
from agents.services.visibility import who_sees
from tasks.models import Run, RunShare


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@transaction.atomic
def share_run(*, run: Run, actor: User) -> tuple[RunShare, str]:
    """Create a link.

    Return it with its token, which is stored nowhere. Locks the agent: whoever limits it at the same time either
    closes this link too or was first, and then only people who still see the agent can share. Raises NotFound.
    """
    agent = Agent.objects.select_for_update(no_key=True).get(pk=run.agent_id)
    if agent.is_limited and not who_sees([agent.pk], [actor.pk]):
        raise NotFound("There is nothing here, or it is kept to others.")
    token = secrets.token_urlsafe(32)
    share = RunShare.objects.create(
        team=run.team, run=run, token_sha256=_hash(token), token_hint=token[-4:], created_by=actor
    )
    audit.record(team=run.team, actor=actor, action="run.shared", target=run, share=str(share.pk))
    return share, token


@transaction.atomic
def revoke_share(*, share: RunShare, actor: User) -> None:
    """Close the link at once, including open pages."""
    RunShare.objects.filter(pk=share.pk, revoked_at__isnull=True).update(revoked_at=timezone.now())
    audit.record(team=share.team, actor=actor, action="run.unshared", target=share.run, share=str(share.pk))


@transaction.atomic
def close_links_of(*, agent: Agent, actor: User, every: bool) -> None:
    """Close links to the agent's runs. Either all, or those of people who may not see it any more."""
    links = RunShare.objects.filter(run__agent=agent, revoked_at__isnull=True).select_related("run", "team")
    makers = {link.created_by_id for link in links if link.created_by_id}
    seers = set() if every else {person for _, person in who_sees([agent.pk], makers)}
    for link in links:
        if link.created_by_id not in seers:
            revoke_share(share=link, actor=actor)


@transaction.atomic
def close_links_of_leavers(*, team: Team, actor: User) -> int:
    """Close the links of people who have left the team. Return how many."""
    links = RunShare.objects.for_team(team).open().of_leavers().select_related("run", "team")
    for link in links:
        revoke_share(share=link, actor=actor)
    return len(links)


def open_links_by(team: Team, person: User) -> int:
    return RunShare.objects.for_team(team).open().filter(created_by=person).count()


def open_links(agent: Agent) -> int:
    return RunShare.objects.filter(run__agent=agent, revoked_at__isnull=True).count()


def shared_run(token: str) -> Run | None:
    """Return the run of a link that was not revoked, or None."""
    share = (
        RunShare.objects.filter(token_sha256=_hash(token), revoked_at__isnull=True)
        .select_related("run__agent", "run__version", "run__task", "run__team", "run__created_by")
        .first()
    )
    return share.run if share else None
