"""Rules on who may decide about a run's calls. They include the check that somebody can."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts import emails, notifications
from accounts.errors import Conflict
from accounts.models import User
from agents.models import Agent, AgentVersion
from agents.services.consent import stricter_policies
from agents.services.visibility import who_sees
from tasks.models import HumanRequest, Run
from tasks.request_kinds import kind_of
from tools import catalog
from tools.spec import Policy

Rules = Mapping[str, Any]
"""Options of a version: `approvers` (email addresses), `four_eyes` (the starter may not approve)."""


def why_barred(asked: HumanRequest, run: Run, actor: User) -> str:
    """Return why this person may not decide about this call, or ""."""
    if not kind_of(asked).by_approvers:
        return ""
    reasons = (_why_not(rules, actor, run.created_by_id, run.agent) for rules in rules_of(run))
    return next((reason for reason in reasons if reason), "")


def rules_of(run: Run) -> list[Rules]:
    """Return the rules that must all be kept.

    A fork, and a continued run, keeps those of its version and of today's: an old version is no way around them.
    """
    return [version.options or {} for version in _versions_of(run)]


def require_approver(*, agent: Agent, versions: Sequence[AgentVersion], starter: User | None) -> None:
    """Raise Conflict if nobody could approve the run's calls. It does not apply to runs that never ask."""
    rules = [version.options or {} for version in versions]
    if not any(one.get("approvers") or one.get("four_eyes") for one in rules) or not _may_ask(versions):
        return
    people = [membership.user for membership in notifications.members(agent.team, needs="runs:write")]
    if agent.is_limited:
        seen = who_sees([agent.pk], [person.pk for person in people])
        people = [person for person in people if (agent.pk, person.pk) in seen]
    starter_id = starter.pk if starter else None
    if any(not any(_why_not(one, person, starter_id, agent) for one in rules) for person in people):
        return
    raise Conflict(
        f"Nobody in the team could approve the calls of this run: {_describe_rules(agent, versions)}. "
        "An owner or admin of the team can change who approves."
    )


def require_approver_of(run: Run, *, starter: User | None, is_old: bool = False) -> None:
    """Call `require_approver` for an existing run.

    `is_old` is for one that is about to be forked or continued (see `rules_of`).
    """
    require_approver(agent=run.agent, versions=_versions_of(run, is_old=is_old), starter=starter)


def _versions_of(run: Run, *, is_old: bool = False) -> list[AgentVersion]:
    is_old = is_old or run.forked_at_step is not None or run.continued_at is not None
    present = run.agent.version if is_old else None
    return [run.version] if present is None or present == run.version else [run.version, present]


def _why_not(rules: Rules, person: User, starter_id: UUID | None, agent: Agent) -> str:
    approvers = _approvers(rules)
    if approvers and emails.canonical(person.email) not in approvers:
        return f"Only {', '.join(approvers)} may decide about calls of {agent.name}."
    if rules.get("four_eyes") and person.pk == starter_id:
        return "You started this run. Somebody else has to decide about this call."
    return ""


def _approvers(rules: Rules) -> list[str]:
    return [emails.canonical(str(email)) for email in rules.get("approvers") or ()]


def _may_ask(versions: Sequence[AgentVersion]) -> bool:
    """Return True if a tool of the run needs approval. `ask_human` and its like ask without one."""
    pinned, *present = versions
    policies = stricter_policies(pinned.tools, present[0].tools if present else pinned.tools)
    tools = catalog.for_run(team_id=pinned.team_id, tools=pinned.tools)
    asking = [tools.get(tool) for tool, policy in policies.items() if policy == Policy.ASK]
    return any(spec is not None and not spec.is_engine_tool for spec in asking)


def _describe_rules(agent: Agent, versions: Sequence[AgentVersion]) -> str:
    words = [_words(version.options or {}) for version in versions]
    if len(words) == 1:
        return f"{agent.name} leaves that to {words[0]}"
    return f"version {versions[0].number} of {agent.name} leaves that to {words[0]}, the version of today to {words[1]}"


def _words(rules: Rules) -> str:
    who: Iterable[str] = _approvers(rules) or ["everyone"]
    return f"{', '.join(who)}{' but never to who starts the run' if rules.get('four_eyes') else ''}"
