"""What a tool is, and the one table of the tools that exist.

A tool is one file in `tools/builtin/` that defines `SPEC = ToolSpec(...)`. The engine looks tools up here by name,
journals the call, and runs `SPEC.run` on a bounded pool of threads. A tool knows nothing of runs, events or journals:
all that it may touch comes in its `ToolContext`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol


class Effect(enum.StrEnum):
    """What repeating a call of the tool would do to the world outside the run."""

    READ_ONLY = "read_only"
    IDEMPOTENT = "idempotent"
    EFFECTFUL = "effectful"


class Policy(enum.StrEnum):
    """Whether a person must approve a call. The agent's owner sets it per tool."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Memory(Protocol):
    """What the agent keeps between its runs."""

    def remember(self, *, text: str) -> str:
        """Keep one fact; returns its id. The same text twice is kept once."""

    def recall(self, *, query: str, limit: int) -> Sequence[str]:
        """The facts that fit the query best, best first."""


class Reporter(Protocol):
    """The tool's voice while it works. Each call becomes one event of the run."""

    def progress(self, *, done: float, total: float, label: str) -> None: ...

    def log(self, *, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """All that one call may touch."""

    run_id: str
    team_id: str
    idempotency_key: str
    """Stable across repeats of the same step; effectful tools pass it on to the outside service."""
    workspace: Path
    """The run's folder. Attachments lie in it; what the tool writes here becomes the run's artifacts."""
    memory: Memory | None
    """None when the agent's memory is off."""
    reporter: Reporter
    cancelled: Callable[[], bool]
    """True once the run was cancelled or lost its lease: a long call should stop."""
    allowed_hosts: Sequence[str] = ()
    """Hosts the agent may reach; empty means any public host."""
    begin_effect: Callable[[], None] = lambda: None
    """Called by a tool that `announces_effect` right before it changes something outside. It returns when this is
    committed, or raises CallAbandoned: then nothing outside may be touched. A tool that failed before is simply called
    again; one that was lost after it is never repeated without a person's word.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came of a call. A failure that the model can react to is a result with `is_error`, not an exception."""

    content: str
    """What the model reads."""
    summary: str
    """One line for people, in the past tense: "Read 412 rows of tickets.csv"."""
    is_error: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    """Small JSON for the live view, such as {"columns": [...], "rows": [...]} of a table, at most 50 rows."""


class ToolRefused(Exception):
    """The tool will not run here at all (no sandbox, blocked address). The text says why; the model reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """One tool."""

    name: str
    title: str
    """For people: "Query a table"."""
    description: str
    """For the model: what it does, when to use it, what comes back."""
    icon: str
    """A name in static/sprite.svg."""
    input_schema: Mapping[str, Any]
    """JSON Schema (draft 2020-12) of the arguments, `additionalProperties: false`."""
    effect: Effect
    default_policy: Policy
    timeout_s: float
    max_output_chars: int
    """Longer content is cut with a sentence that says so."""
    run: Callable[[ToolContext, Mapping[str, Any]], ToolResult] | None
    """None for the tools that the engine itself carries out (`ask_human`)."""
    announces_effect: bool = False
    """The tool calls `ctx.begin_effect()`. Of an effectful one that does not, each call may have had its effect."""
    uses_workspace: bool = True
    """False spares the run from having its files fetched for a tool that does not read them."""
    needs_thread: bool = True
    """False only for a tool that waits for nothing and is over in microseconds: it runs on the engine's loop."""
    headline: Callable[[Mapping[str, Any]], str] = lambda arguments: ""
    """One line for people about a call that is about to happen: "Fetch https://…"."""


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


def add(spec: ToolSpec) -> None:
    """Make one more tool known to this process, before anything asks for the list. See EXTRA_TOOLS."""
    global BUILTIN
    BUILTIN = (*BUILTIN, spec.name)
    _added[spec.name] = spec


def get(name: str) -> ToolSpec:
    """The tool of that name, or KeyError."""
    if name in _added:
        return _added[name]
    if name not in BUILTIN:
        raise KeyError(name)
    spec: ToolSpec = import_module(f"tools.builtin.{name}").SPEC
    return spec


def all_tools() -> list[ToolSpec]:
    """Every tool, in the order in which people see them."""
    return [get(name) for name in BUILTIN]
