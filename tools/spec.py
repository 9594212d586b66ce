"""Types of the tool contract: `ToolSpec`, what a call gets (`ToolContext`) and returns (`ToolResult`).

A builtin tool is one file in `tools/builtin/` that defines `SPEC = ToolSpec(...)`. The engine looks tools up in the
catalog of a run (`tools/catalog.py`), journals the call, and runs `spec.run` on a bounded pool of threads. A tool knows
nothing of runs, events or journals: all that it may touch comes in its `ToolContext`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Effect(enum.StrEnum):
    """Effect of repeating a call on the world outside the run."""

    READ_ONLY = "read_only"
    IDEMPOTENT = "idempotent"
    EFFECTFUL = "effectful"


class Policy(enum.StrEnum):
    """Approval of calls by a person. The agent's owner sets it for each tool."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


class Memory(Protocol):
    """Memory of an agent between its runs."""

    def remember(self, *, text: str) -> str:
        """Store a fact and return its id. The same text is stored once."""

    def recall(self, *, query: str, limit: int) -> Sequence[str]:
        """Return the facts that match the query, best first."""


class Reporter(Protocol):
    """Channel for reports during a call. Each becomes one event of the run."""

    def progress(self, *, done: float, total: float, label: str) -> None: ...

    def log(self, *, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """Context of one call: all that the tool may touch."""

    run_id: str
    team_id: str
    idempotency_key: str
    """Key that stays the same across repeats of a step; effectful tools pass it on to the outside service."""
    workspace: Path
    """Folder of the run, with its attachments. Files that the tool writes here become artifacts."""
    memory: Memory | None
    """Memory of the agent; None if it is off."""
    reporter: Reporter
    cancelled: Callable[[], bool]
    """Function that returns True once the run was cancelled or lost its lease: a long call should stop."""
    allowed_hosts: Sequence[str] = ()
    """Hosts that the agent may reach; empty allows every public host."""
    begin_effect: Callable[[], None] = lambda: None
    """Function that a tool with `announces_effect` calls right before it changes something outside.

    It returns when this is committed, or raises CallAbandoned: then nothing outside may be touched. A call that failed
    before it is simply repeated; one that was lost after it is never repeated without a person's decision.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """Result of a call. A failure that the model can react to has `is_error` and is no exception."""

    content: str
    """Text for the model."""
    summary: str
    """One line for people, in the past tense: "Read 412 rows of tickets.csv"."""
    is_error: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    """Small JSON for the live view, such as {"columns": [...], "rows": [...]} of a table, at most 50 rows."""


class ToolRefused(Exception):
    """Refusal to run the tool at all (no sandbox, blocked address). The text says why; the model reads it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ToolSpec:
    """Definition of a tool. Compared by identity, so that it can be a key."""

    name: str
    title: str
    """Name for people: "Query a table"."""
    description: str
    """Text for the model: what the tool does, when to use it, what it returns."""
    icon: str
    """Name of an icon in static/sprite.svg."""
    input_schema: Mapping[str, Any]
    """JSON Schema (draft 2020-12) of the arguments, `additionalProperties: false`."""
    effect: Effect
    default_policy: Policy
    timeout_s: float
    max_output_chars: int
    """Longest content; longer content is cut with a sentence that says so."""
    run: Callable[[ToolContext, Mapping[str, Any]], ToolResult] | None
    """Function that carries out a call; None for tools that the engine carries out (`ask_human`)."""
    announces_effect: bool = False
    """True if the tool calls `ctx.begin_effect()`.

    Of an effectful tool that does not, every call may have had its effect.
    """
    uses_workspace: bool = True
    """False if the tool reads no files: the run's files are not fetched for it."""
    needs_thread: bool = True
    """False only for a tool that never waits and takes microseconds: it runs on the engine's event loop."""
    headline: Callable[[Mapping[str, Any]], str] = lambda arguments: ""
    """One line for people about a call that is about to happen: "Fetch https://…"."""
