"""Role templates: ready agents to start from. Each is a file in `role_templates/`, ordered by file name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

from tools import catalog
from tools.spec import Policy, ToolSpec

FOLDER = Path(__file__).with_name("role_templates")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleTask:
    """A task that an agent of the role could begin with."""

    name: str
    prompt: str
    variables: Sequence[Mapping[str, Any]]
    review: bool = False
    required_artifacts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleTemplate:
    """A ready agent: profile, instructions, tools, limits and example tasks."""

    MAX_TURNS: ClassVar[int] = 40
    TIMEOUT_S: ClassVar[int] = 1800

    key: str
    name: str
    first_name: str
    """Suggested name of the agent."""
    description: str
    hue: str
    icon: str
    instructions: str
    tools: Sequence[tuple[str, Policy]]
    example_prompt: str
    example_file: str
    """File in docs/examples/ that the example prompt refers to."""
    max_cost_usd: Decimal
    tasks: Sequence[ExampleTask]
    max_turns: int = MAX_TURNS
    timeout_s: int = TIMEOUT_S

    @property
    def tool_rows(self) -> list[tuple[ToolSpec, Policy]]:
        """Return (tool, policy) pairs for pages."""
        return [(catalog.builtin(name), policy) for name, policy in self.tools]


def find(key: str) -> RoleTemplate | None:
    return next((role for role in ROLES if role.key == key), None)


def find_by_name(name: str) -> RoleTemplate | None:
    return next((role for role in ROLES if role.name == name), None)


def starting_point(role: RoleTemplate) -> dict[str, Any]:
    """Return the configuration of a new agent of the role, without a model."""
    return {
        "name": role.first_name,
        "role": role.name,
        "description": role.description,
        "hue": role.hue,
        "icon": role.icon,
        "instructions": role.instructions,
        "tools": [{"tool": name, "policy": policy.value} for name, policy in role.tools],
        "memory_enabled": True,
        "max_cost_usd": role.max_cost_usd,
        "max_turns": role.max_turns,
        "timeout_s": role.timeout_s,
    }


def _load(path: Path) -> RoleTemplate:
    """Load one template file. A missing or unknown key fails at start, not on a user's page."""
    found = tomllib.loads(path.read_text(encoding="utf-8"))
    found["instructions"] = found["instructions"]["text"].strip()
    found["tools"] = tuple((name, Policy(policy)) for name, policy in found["tools"].items())
    found["max_cost_usd"] = Decimal(found["max_cost_usd"])
    found["tasks"] = tuple(ExampleTask(**task) for task in found["tasks"])
    return RoleTemplate(**found)


ROLES: Sequence[RoleTemplate] = tuple(_load(path) for path in sorted(FOLDER.glob("*.toml")))
