"""Catalog of the tools that a run or a team can use.

Ask `for_run` or `for_team` wherever a run or a team is at hand. Besides the product's tools a team has those that it
defined itself. They come from the functions registered for the hook `tools.hooks.team_tools`; each yields ToolSpecs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any
from uuid import UUID

from tools import hooks
from tools.spec import ToolSpec

BUILTIN: tuple[str, ...] = (
    "read_file",
    "write_file",
    "list_files",
    "query_table",
    "draw_chart",
    "run_python",
    "fetch_url",
    "email_report",
    "ask_human",
    "report_progress",
    "remember",
    "recall",
)
_added: dict[str, ToolSpec] = {}


class Catalog:
    """Tools by name. The product's come first, and a team's tool never takes the name of one of them."""

    def __init__(self, team_tools: Iterable[ToolSpec] = ()) -> None:
        self._team_tools = {spec.name: spec for spec in team_tools}

    @property
    def names(self) -> tuple[str, ...]:
        """All names, in the order in which people see the tools."""
        return (*BUILTIN, *(name for name in self._team_tools if name not in BUILTIN))

    def get(self, name: str) -> ToolSpec | None:
        """Return the tool of that name, or None if there is none."""
        return builtin(name) if name in BUILTIN else self._team_tools.get(name)

    def __contains__(self, name: object) -> bool:
        return name in BUILTIN or name in self._team_tools

    def __iter__(self) -> Iterator[ToolSpec]:
        return (spec for name in self.names if (spec := self.get(name)))


def for_run(*, team_id: UUID, tools: Iterable[Mapping[str, Any]]) -> Catalog:
    """Look up what a run of an agent version can use. `tools` are the version's rows, `{"tool": name, …}`.

    On an event loop, call it on a thread where `queries_database(tools)`.
    """
    names = {row["tool"] for row in tools} - set(BUILTIN)
    return _with_team_tools(team_id, names) if names else Catalog()


def for_team(team_id: UUID) -> Catalog:
    """Look up every tool that an agent of the team could be given."""
    return _with_team_tools(team_id, None)


def _with_team_tools(team_id: UUID, names: set[str] | None) -> Catalog:
    found = hooks.team_tools(team_id=team_id, names=names)
    return Catalog(spec for specs in found for spec in specs if names is None or spec.name in names)


def queries_database(tools: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether `for_run` would ask the team's sources, which may block."""
    return bool(hooks.team_tools.functions) and any(row["tool"] not in BUILTIN for row in tools)


def builtin(name: str) -> ToolSpec:
    """Return the product's tool of that name, or raise KeyError. For what is the same in every team."""
    if name in _added:
        return _added[name]
    if name not in BUILTIN:
        raise KeyError(name)
    spec: ToolSpec = import_module(f"tools.builtin.{name}").SPEC
    return spec


def builtins() -> list[ToolSpec]:
    """List the product's tools, in the order in which people see them."""
    return [builtin(name) for name in BUILTIN]


def add(spec: ToolSpec) -> None:
    """Make one more tool part of the product in this process, before anything asks for the list (EXTRA_TOOLS)."""
    global BUILTIN
    if spec.name not in BUILTIN:
        BUILTIN = (*BUILTIN, spec.name)
    _added[spec.name] = spec
