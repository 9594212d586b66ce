"""Validation of an agent's profile, configuration, tools and options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from accounts.errors import FieldError, InvalidInput
from accounts.services.people import HUES
from agents.models import Agent, AgentVersion, Runtime
from agents.services import models
from tools import catalog
from tools.catalog import Catalog
from tools.spec import Policy

MAX_INSTRUCTIONS = 50_000
BOUNDS: dict[str, tuple[Decimal | int, Decimal | int]] = {
    "max_cost_usd": (Decimal(0), Decimal(10_000)),
    "max_turns": (1, 500),
    "timeout_s": (10, 24 * 3600),
    "max_concurrent_runs": (1, 1000),
}
MEMBERS_MOST_USD = Decimal("5.00")
"""Highest cost limit of one run, in USD, that a member may set. It is that of the most expensive role template."""
_ICON = re.compile(r"[a-z0-9-]{1,40}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,190}")
_HOST = re.compile(r"(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+")


def most_of_members(present: AgentVersion | None) -> Decimal:
    """Return the highest run cost, in USD, that a member without `team:admin` may set for the agent."""
    return max(MEMBERS_MOST_USD, present.max_cost_usd if present else Decimal(0))


def check_names(given: Mapping[str, Any], *, known: Iterable[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        fields = [FieldError(name, "unknown_field", "There is no such field.") for name in unknown]
        raise InvalidInput(f"An agent has no {', '.join(unknown)}.", fields=fields)


def check_agent(agent: Agent, version: AgentVersion, *, is_new_model: bool) -> None:
    """Raise InvalidInput that names every wrong field. The model is checked only if it changes."""
    known = catalog.for_run(team_id=agent.team_id, tools=version.tools)
    wrong = [*_profile(agent), *_config(version), *_tools(version.tools, known), *_options(version.options)]
    if is_new_model:
        wrong += _model(version)
    if wrong:
        raise InvalidInput(" ".join(error.message for error in wrong[:3]), fields=wrong)


def _profile(agent: Agent) -> Iterator[FieldError]:
    agent.name = agent.name.strip()
    if not 1 <= len(agent.name) <= 80:
        yield FieldError("name", "required", "Give the agent a name of 1 to 80 characters.")
    if len(agent.role) > 80:
        yield FieldError("role", "too_long", "At most 80 characters.")
    if len(agent.description) > 300:
        yield FieldError("description", "too_long", "At most 300 characters.")
    if agent.hue not in HUES:
        yield FieldError("hue", "invalid_choice", f"Choose one of {', '.join(HUES)}.")
    if not _ICON.fullmatch(agent.icon):
        yield FieldError("icon", "invalid", "Use the name of an icon.")
    yield from _bounds(agent, "max_concurrent_runs")


def _config(version: AgentVersion) -> Iterator[FieldError]:
    if not version.instructions.strip():
        yield FieldError("instructions", "required", "Say what the agent does and how.")
    if len(version.instructions) > MAX_INSTRUCTIONS:
        yield FieldError("instructions", "too_long", f"At most {MAX_INSTRUCTIONS:,} characters.")
    for name in ("max_cost_usd", "max_turns", "timeout_s"):
        yield from _bounds(version, name)


def _bounds(row: Agent | AgentVersion, name: str) -> Iterator[FieldError]:
    low, high = BOUNDS[name]
    value = getattr(row, name)
    if not low <= value <= high:
        yield FieldError(name, "out_of_range", f"Choose from {low:,} to {high:,}.")


def _model(version: AgentVersion) -> Iterator[FieldError]:
    if version.runtime not in Runtime.values:
        yield FieldError("runtime", "invalid_choice", f"Choose one of {', '.join(Runtime.values)}.")
    elif version.runtime == Runtime.ANTHROPIC and not models.has_real_models():
        yield FieldError("runtime", "not_available", "This installation has no ANTHROPIC_API_KEY.")
    elif version.model not in models.models_of(version.runtime):
        offered = ", ".join(models.models_of(version.runtime))
        yield FieldError("model", "invalid_choice", f"Choose one of {offered}.")


def _tools(tools: Any, known: Catalog) -> Iterator[FieldError]:
    seen: set[str] = set()
    for index, row in enumerate(tools):
        tool, policy = row.get("tool"), row.get("policy")
        if tool not in known:
            yield FieldError(f"tools[{index}].tool", "invalid_choice", f"There is no tool “{str(tool)[:40]}”.")
        if tool in seen:
            yield FieldError(f"tools[{index}].tool", "duplicate", f"{tool} is listed twice.")
        if policy not in tuple(Policy) or set(row) != {"tool", "policy"}:
            yield FieldError(f"tools[{index}].policy", "invalid_choice", f"Choose one of {', '.join(Policy)}.")
        seen.add(tool)


def _options(options: Mapping[str, Any]) -> Iterator[FieldError]:
    approvers = options.get("approvers", [])
    if (
        not isinstance(approvers, list)
        or len(approvers) > 20
        or not all(_EMAIL.fullmatch(str(who)) for who in approvers)
    ):
        yield FieldError("options.approvers", "invalid", "List up to 20 email addresses.")
    if not isinstance(options.get("four_eyes", False), bool):
        yield FieldError("options.four_eyes", "invalid", "Say true or false.")
    most = options.get("max_tokens")
    if most is not None and not (isinstance(most, int) and 256 <= most <= 64_000):
        yield FieldError("options.max_tokens", "out_of_range", "Choose from 256 to 64,000.")
    hosts = options.get("allowed_hosts", [])
    if not isinstance(hosts, list) or len(hosts) > 100 or not all(_HOST.fullmatch(str(host)) for host in hosts):
        yield FieldError("options.allowed_hosts", "invalid", "List host names such as example.com.")
