"""Agents that are kept to named members of their team."""

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
    """Keep the agent, its tasks and its runs to those members (and the owners and admins), or open it to all: None."""
    held = Agent.objects.select_for_update(of=("self",)).select_related("team").get(pk=agent.pk)
    if held.status == AgentStatus.REMOVED:
        raise Conflict(f"{held.name} was deleted.")
    wanted = set(to or ())
    named = list(Membership.objects.filter(team=held.team, user__in=wanted))
    if len(named) < len(wanted):
        wrong = FieldError("limited_to", "not_found", "There is no such person in this team.")
        raise InvalidInput("One of them is not in this team.", fields=[wrong])
    before = limited_to(held)
    held.is_limited = to is not None
    held.save(update_fields=["is_limited", "updated_at"])
    held.named_members.set(named)
    after = limited_to(held)
    if before != after:
        words = {"before": _words(before), "after": _words(after)}
        audit.record(team=held.team, actor=actor, action="agent.limited", target=held, **words)
        if after is not None:
            hooks.agent_limited(agent=held, actor=actor, was_open=before is None)
    return held


def limited_to(agent: Agent) -> list[UUID] | None:
    """The ids of the people whom it is kept to, None for an agent of the whole team."""
    if not agent.is_limited:
        return None
    return sorted(agent.named_members.values_list("user_id", flat=True))


def who_sees(agent_ids: Collection[UUID], user_ids: Collection[UUID]) -> set[tuple[UUID, UUID]]:
    """Which of the people see which of those limited agents, as (agent, person)."""
    team_of = dict(Agent.objects.filter(pk__in=agent_ids).values_list("pk", "team_id"))
    every = Membership.objects.filter(team__in=team_of.values(), user__in=user_ids, role__in=SEES_EVERY_AGENT)
    seers = set(every.values_list("team_id", "user_id"))
    found = {(agent, user) for agent, team in team_of.items() for user in user_ids if (team, user) in seers}
    named = Agent.objects.filter(pk__in=agent_ids, named_members__user__in=user_ids)
    return found | set(named.values_list("pk", "named_members__user_id"))


def _words(people: list[UUID] | None) -> list[str] | str:
    return "everyone" if people is None else [str(pk) for pk in people]
