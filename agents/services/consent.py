"""Approval rules of an agent's tools: only owners and admins may loosen them, everybody may tighten them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from accounts.emails import canonical
from accounts.errors import FieldError, InsufficientScope
from agents.models import Agent, AgentVersion
from tools import catalog
from tools.spec import Policy

RIGHT = "team:admin"
NEEDS_ADMIN = "needs_admin"
STRICTNESS = (Policy.ALLOW, Policy.ASK, Policy.DENY)
"""Policies from the loosest to the strictest."""


def is_looser(policy: str, than: str) -> bool:
    return STRICTNESS.index(Policy(policy)) < STRICTNESS.index(Policy(than))


def stricter_policies(pinned: Iterable[Mapping[str, str]], present: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the policies of a fork: per tool, the stricter one of its version's and the agent's current policy."""
    now = {row["tool"]: row["policy"] for row in present}
    found = {}
    for row in pinned:
        today = now.get(row["tool"], Policy.DENY.value)
        found[row["tool"]] = today if is_looser(row["policy"], today) else row["policy"]
    return found


def loosest_policies(agent: Agent | None, *, team_id: UUID) -> dict[str, str]:
    """Return, for each tool, the loosest policy that needs no `team:admin`.

    It is the current policy, or the tool's default if the agent never had the tool. A tool that was taken from the
    agent stays denied.
    """
    defaults = {tool.name: tool.default_policy.value for tool in catalog.for_team(team_id)}
    if agent is None or agent.version is None:
        return defaults
    had = AgentVersion.objects.filter(agent=agent).order_by().values_list("tools", flat=True).distinct()
    taken = {row["tool"]: Policy.DENY.value for tools in had for row in tools}
    return defaults | taken | {row["tool"]: row["policy"] for row in agent.version.tools}


def loosened(
    *, agent: Agent | None, wanted: AgentVersion, loosest: Mapping[str, str] | None = None
) -> list[FieldError]:
    """Return an error for each setting that is looser than the agent's current one, or than a new agent's default.

    `loosest` is `loosest_policies(agent)`, if the caller has it already.
    """
    present = agent.version if agent else None
    before: Mapping[str, Any] = (present.options if present else None) or {}
    after: Mapping[str, Any] = wanted.options or {}
    is_same = present is not None and present.tools == wanted.tools
    if loosest is None and not is_same:
        loosest = loosest_policies(agent, team_id=wanted.team_id)
    tools = [] if is_same else list(_tools(wanted.tools, loosest or {}))
    return [*tools, *_approvers(before, after), *_four_eyes(before, after), *_hosts(before, after)]


def require(*, agent: Agent | None, wanted: AgentVersion, is_admin: bool) -> None:
    """Raise InsufficientScope that names each loosened setting, unless the caller has `team:admin`."""
    found = [] if is_admin else loosened(agent=agent, wanted=wanted)
    if found:
        reasons = " ".join(error.message for error in found[:3])
        raise InsufficientScope(
            f"{reasons} It takes an owner or admin of the team ({RIGHT}).",
            fields=found,
            extra={"required_scope": RIGHT},
        )


def _tools(rows: Sequence[Mapping[str, str]], loosest: Mapping[str, str]) -> Iterator[FieldError]:
    for index, row in enumerate(rows):
        tool, policy, most = row["tool"], row["policy"], loosest.get(row["tool"], Policy.DENY.value)
        if is_looser(policy, most):
            message = f"The policy of {tool} would be {policy} instead of {most}."
            yield FieldError(f"tools[{index}].policy", NEEDS_ADMIN, message)


def _approvers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield an error if more people could approve. An empty list means everybody who may answer."""
    named, wanted = _emails(before), _emails(after)
    if not named or (wanted and wanted <= named):
        return
    more = ", ".join(sorted(wanted - named))
    message = f"{more} could approve its calls, too." if more else "Everyone in the team could approve its calls."
    yield FieldError("options.approvers", NEEDS_ADMIN, message)


def _emails(options: Mapping[str, Any]) -> set[str]:
    return {canonical(str(email)) for email in options.get("approvers") or ()}


def _four_eyes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldError]:
    if before.get("four_eyes") and not after.get("four_eyes"):
        message = "Whoever starts a run could approve its calls."
        yield FieldError("options.four_eyes", NEEDS_ADMIN, message)


def _hosts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield an error if more hosts could be reached. An empty list means any public host."""
    named, wanted = _host_names(before), _host_names(after)
    if not named:
        return
    more = [host for host in wanted if not any(_covers(entry, host) for entry in named)]
    if wanted and not more:
        return
    message = f"Its tools could reach {', '.join(more[:5])}." if wanted else "Its tools could reach any public host."
    yield FieldError("options.allowed_hosts", NEEDS_ADMIN, message)


def _host_names(options: Mapping[str, Any]) -> list[str]:
    return [str(host).strip().lower().rstrip(".") for host in options.get("allowed_hosts") or ()]


def _covers(entry: str, host: str) -> bool:
    """Return True if `entry` already allows all hosts that `host` names: `*.example.com` covers every host below it."""
    return host == entry or (entry.startswith("*.") and host.removeprefix("*").endswith(entry[1:]))
