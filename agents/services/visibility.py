"""Agents that are limited to named members of their team."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db import transaction

from accounts import audit
from accounts.errors import Conflict, FieldError, InvalidInput
from accounts.models import Membership, User
from accounts.models.roles import SEES_EVERY_AGENT
from agents import hooks
from agents.models import Agent, AgentStatus


@transaction.atomic
def limit_agent(*, agent: Agent, actor: User, to: Iterable[UUID] | None) -> Agent:
    """Limit the agent, its tasks and its runs to those members, owners and admins. None opens it to the whole team."""
    locked = Agent.objects.select_for_update(of=("self",)).select_related("team").get(pk=agent.pk)
    if locked.status == AgentStatus.REMOVED:
        raise Conflict(f"{locked.name} was deleted.")
    wanted = set(to or ())
    named = list(Membership.objects.filter(team=locked.team, user__in=wanted))
    if len(named) < len(wanted):
        wrong = FieldError("limited_to", "not_found", "There is no such person in this team.")
        raise InvalidInput("One of them is not in this team.", fields=[wrong])
    before = limited_to(locked)
    locked.is_limited = to is not None
    locked.save(update_fields=["is_limited", "updated_at"])
    locked.named_members.set(named)
    after = limited_to(locked)
    if before != after:
        words = {"before": _words(before), "after": _words(after)}
        audit.record(team=locked.team, actor=actor, action="agent.limited", target=locked, **words)
        if after is not None:
            hooks.agent_limited(agent=locked, actor=actor, was_open=before is None)
    return locked


def limited_to(agent: Agent) -> list[UUID] | None:
    """Return the user ids that the agent is limited to, or None if the whole team sees it."""
    if not agent.is_limited:
        return None
    return sorted(agent.named_members.values_list("user_id", flat=True))


def who_sees(agent_ids: Collection[UUID], user_ids: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    """Return the (agent, person) pairs of the limited agents and people in which the person sees the agent."""
    team_of = dict(Agent.objects.filter(pk__in=agent_ids).values_list("pk", "team_id"))
    every = Membership.objects.filter(team__in=team_of.values(), user__in=user_ids, role__in=SEES_EVERY_AGENT)
    seers = set(every.values_list("team_id", "user_id"))
    found = {(agent, user) for agent, team in team_of.items() for user in user_ids if (team, user) in seers}
    named = Agent.objects.filter(pk__in=agent_ids, named_members__user__in=user_ids)
    return found | set(named.values_list("pk", "named_members__user_id"))


def _words(people: list[UUID] | None) -> list[str] | str:
    return "everyone" if people is None else [str(pk) for pk in people]
