"""Create, change, pause and delete agents. Configurations are immutable; a change makes a new version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from accounts import audit
from accounts.errors import Conflict, NotFound
from accounts.models import Team, User
from agents import hooks
from agents.models import Agent, AgentStatus, AgentVersion
from agents.roles import RoleTemplate, starting_point
from agents.services import checks, consent, models
from billing import entitlements
from billing import services as budgets
from billing.plans import Limit

PROFILE = ("name", "role", "description", "hue", "icon", "max_concurrent_runs")
"""Fields of the agent itself. Runs do not pin them."""
CONFIG = (
    "instructions",
    "runtime",
    "model",
    "tools",
    "memory_enabled",
    "max_cost_usd",
    "max_turns",
    "timeout_s",
    "options",
)
"""Fields of an agent version, which runs pin."""
BUDGET = "budget_monthly_usd"


@transaction.atomic
def create_agent(*, team: Team, actor: User | None, is_admin: bool = False, **given: Any) -> Agent:
    """Create an agent with its first version. Takes the fields of PROFILE, CONFIG and BUDGET; `name` and `instructions`
    are required.

    Raises LimitReached when the plan allows no more agents, and InsufficientScope when a tool's policy is looser than
    its default and the caller lacks `team:admin` (`is_admin`).
    """
    entitlements.require(team=team, what=Limit.AGENTS)
    runtime = given.setdefault("runtime", models.default_runtime())
    given.setdefault("model", models.default_model(runtime))
    checks.check_names(given, known=(*PROFILE, *CONFIG, BUDGET))
    agent = Agent(team=team, created_by=actor, **_only(PROFILE, given))
    version = AgentVersion(team=team, agent=agent, number=1, created_by=actor, **_only(CONFIG, given))
    checks.check_agent(agent, version, is_new_model=True)
    consent.require(agent=None, wanted=version, is_admin=is_admin)
    agent.save(force_insert=True)
    version.save(force_insert=True)
    agent.version = version
    agent.save(update_fields=["version"])
    if given.get(BUDGET) is not None:
        budgets.save_budget(team=team, agent_id=agent.pk, limit_usd=given[BUDGET])
    audit.record(team=team, actor=actor, action="agent.created", target=agent)
    return agent


def create_from_role(*, team: Team, actor: User | None, role: RoleTemplate, **given: Any) -> Agent:
    """Create an agent from a role template; given values override the template's."""
    return create_agent(team=team, actor=actor, **(starting_point(role) | given))


@transaction.atomic
def update_agent(*, agent: Agent, actor: User | None, changes: Mapping[str, Any], is_admin: bool = False) -> Agent:
    """Change an agent. Started runs keep their version; a new one is made only if the configuration differs.

    Raises InsufficientScope when consent would be looser and the caller lacks `team:admin` (`is_admin`).
    """
    checks.check_names(changes, known=(*PROFILE, *CONFIG, BUDGET))
    agent, current = _locked(agent)
    config = {name: getattr(current, name) for name in CONFIG}
    wanted = config | _only(CONFIG, changes)
    before = {name: getattr(agent, name) for name in PROFILE} | config | {"version": current.number}
    for name, value in _only(PROFILE, changes).items():
        setattr(agent, name, value)
    version = AgentVersion(team=agent.team, agent=agent, created_by=actor, **wanted)
    checks.check_agent(
        agent, version, is_new_model=(version.runtime, version.model) != (current.runtime, current.model)
    )
    consent.require(agent=agent, wanted=version, is_admin=is_admin)
    if wanted != config:
        _put(agent, version)
    agent.save()
    after = {name: getattr(agent, name) for name in PROFILE} | wanted | {"version": _number(agent)}
    if BUDGET in changes:
        before[BUDGET], after[BUDGET] = budgets.limit_of(team=agent.team, agent_id=agent.pk), changes[BUDGET]
        budgets.save_budget(team=agent.team, agent_id=agent.pk, limit_usd=changes[BUDGET])
    values = audit.diff(before, after)
    audit.record(team=agent.team, actor=actor, action="agent.changed", target=agent, **values)
    return agent


@transaction.atomic
def restore_version(*, agent: Agent, actor: User | None, number: int, is_admin: bool = False) -> Agent:
    """Restore an old configuration as a new version, so that the history only grows.

    Raises InsufficientScope when it is looser than the current one and the caller lacks `team:admin` (`is_admin`).
    """
    agent, current = _locked(agent)
    old = AgentVersion.objects.filter(agent=agent, number=number).first()
    if old is None:
        raise NotFound(f"{agent.name} has no version {number}.")
    consent.require(agent=agent, wanted=old, is_admin=is_admin)
    config = {name: getattr(old, name) for name in CONFIG}
    before = {name: getattr(current, name) for name in CONFIG}
    if config != before:
        _put(agent, AgentVersion(team=agent.team, agent=agent, created_by=actor, **config))
        agent.save()
    values = audit.diff(before | {"version": current.number}, config | {"version": _number(agent)})
    audit.record(team=agent.team, actor=actor, action="agent.restored", target=agent, number=number, **values)
    return agent


def versions_for_admins(*, agent: Agent, versions: Iterable[AgentVersion]) -> set[int]:
    """Return the numbers of the versions that only an owner or admin may restore: they cost more or ask less."""
    cap, loosest = checks.most_of_members(agent.version), consent.loosest_policies(agent, team_id=agent.team_id)
    return {
        version.number
        for version in versions
        if version.max_cost_usd > cap or consent.loosened(agent=agent, wanted=version, loosest=loosest)
    }


def restores_a_higher_cap(*, agent: Agent, number: int) -> bool:
    """Return True if a run of that version may cost more than a member can allow. The caller holds the agent's lock."""
    dearer = AgentVersion.objects.filter(max_cost_usd__gt=checks.most_of_members(agent.version))
    return dearer.filter(agent=agent, number=number).exists()


def pause_agent(*, agent: Agent, actor: User | None) -> Agent:
    """Pause the agent: it starts no new runs; started runs continue."""
    return _set_status(agent, actor, AgentStatus.PAUSED, "agent.paused")


def resume_agent(*, agent: Agent, actor: User | None) -> Agent:
    return _set_status(agent, actor, AgentStatus.ACTIVE, "agent.resumed")


@transaction.atomic
def remove_agent(*, agent: Agent, actor: User | None) -> None:
    """Delete the agent and stop its live work (`hooks.agent_dependents` lists it). Runs, files and versions stay."""
    locked = Agent.objects.select_for_update().get(pk=agent.pk)
    if locked.status == AgentStatus.REMOVED:
        return
    locked.status = AgentStatus.REMOVED
    locked.save(update_fields=["status", "updated_at"])
    budgets.save_budget(team=locked.team, agent_id=locked.pk, limit_usd=None)
    hooks.agent_removed(agent=locked, actor=actor)
    audit.record(team=locked.team, actor=actor, action="agent.removed", target=locked)


@transaction.atomic
def _set_status(agent: Agent, actor: User | None, status: AgentStatus, action: str) -> Agent:
    agent, _ = _locked(agent)
    if agent.status != status:
        agent.status = status
        agent.save(update_fields=["status", "updated_at"])
        audit.record(team=agent.team, actor=actor, action=action, target=agent)
    return agent


def _locked(agent: Agent) -> tuple[Agent, AgentVersion]:
    """Lock the agent until the transaction ends.

    Return it with its current version; raise Conflict if it was deleted.
    """
    locked = Agent.objects.locked().get(pk=agent.pk)
    if locked.status == AgentStatus.REMOVED or locked.version is None:
        raise Conflict(f"{locked.name} was deleted.")
    return locked, locked.version


def _put(agent: Agent, version: AgentVersion) -> None:
    last = AgentVersion.objects.filter(agent=agent).aggregate(last=Max("number"))["last"] or 0
    version.number = last + 1
    version.save(force_insert=True)
    agent.version = version


def _number(agent: Agent) -> int:
    return agent.version.number if agent.version else 0


def _only(names: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
