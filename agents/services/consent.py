"""Consent: what has to be agreed to before an agent acts. Loosening it takes an owner or admin, tightening nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from accounts.emails import canonical
from accounts.errors import FieldError, InsufficientScope
from agents.models import Agent, AgentVersion
from tools import registry
from tools.registry import Policy

RIGHT = "team:admin"
NEEDS_ADMIN = "needs_admin"
STRICTNESS = (Policy.ALLOW, Policy.ASK, Policy.DENY)
"""From the loosest to the strictest."""


def is_looser(policy: str, than: str) -> bool:
    return STRICTNESS.index(Policy(policy)) < STRICTNESS.index(Policy(than))


def stricter_policies(pinned: Iterable[Mapping[str, str]], present: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The policies of a fork: those of its version, where the agent's present ones are not stricter."""
    now = {row["tool"]: row["policy"] for row in present}
    found = {}
    for row in pinned:
        today = now.get(row["tool"], Policy.DENY.value)
        found[row["tool"]] = today if is_looser(row["policy"], today) else row["policy"]
    return found


def loosest_policies(agent: Agent | None) -> dict[str, str]:
    """The loosest policy of each tool that nobody needs a right for: the present one, and for a tool that the agent
    never had, its default. A tool that was taken from the agent stays away.
    """
    defaults = {tool.name: tool.default_policy.value for tool in registry.all_tools()}
    if agent is None or agent.version is None:
        return defaults
    had = AgentVersion.objects.filter(agent=agent).order_by().values_list("tools", flat=True).distinct()
    taken = {row["tool"]: Policy.DENY.value for tools in had for row in tools}
    return defaults | taken | {row["tool"]: row["policy"] for row in agent.version.tools}


def loosened(
    *, agent: Agent | None, wanted: AgentVersion, loosest: Mapping[str, str] | None = None
) -> list[FieldError]:
    """What in the wanted version is looser than the agent's present one, or than the default of a new agent.

    `loosest` is `loosest_policies(agent)` where it is known already.
    """
    present = agent.version if agent else None
    before: Mapping[str, Any] = (present.options if present else None) or {}
    after: Mapping[str, Any] = wanted.options or {}
    is_same = present is not None and present.tools == wanted.tools
    tools = [] if is_same else list(_tools(wanted.tools, loosest_policies(agent) if loosest is None else loosest))
    return [*tools, *_approvers(before, after), *_four_eyes(before, after), *_hosts(before, after)]


def require(*, agent: Agent | None, wanted: AgentVersion, is_admin: bool) -> None:
    """Raise InsufficientScope that names what is loosened, unless the caller has `team:admin`."""
    found = [] if is_admin else loosened(agent=agent, wanted=wanted)
    if found:
        said = " ".join(error.message for error in found[:3])
        raise InsufficientScope(
            f"{said} It takes an owner or admin of the team ({RIGHT}).", fields=found, extra={"required_scope": RIGHT}
        )


def _tools(rows: Sequence[Mapping[str, str]], loosest: Mapping[str, str]) -> Iterator[FieldError]:
    for index, row in enumerate(rows):
        tool, policy, most = row["tool"], row["policy"], loosest.get(row["tool"], Policy.DENY.value)
        if is_looser(policy, most):
            message = f"The policy of {tool} would be {policy} instead of {most}."
            yield FieldError(f"tools[{index}].policy", NEEDS_ADMIN, message)


def _approvers(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[FieldError]:
    """No approvers means everyone who may answer."""
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
    """No hosts means any public host."""
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
    """Whether all that `host` names may be reached by `entry` already: `*.example.com` is every host below it."""
    return host == entry or (entry.startswith("*.") and host.removeprefix("*").endswith(entry[1:]))
