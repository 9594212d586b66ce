"""Types of the tool contract: `ToolSpec`, what a call gets (`ToolContext`) and returns (`ToolResult`).

A builtin tool is one file in `tools/builtin/` that defines `SPEC = ToolSpec(...)`. The engine looks tools up in the
catalog of a run (`tools/catalog.py`), journals the call, and runs `spec.run` on a bounded pool of threads. A tool knows
nothing of runs, events or journals: all that it may touch comes in its `ToolContext`.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import lru_cache
from hashlib import sha256
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


async def _no_effect_to_begin() -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncToolContext:
    """Access of one call that runs on the engine's event loop. Nothing in it may be done by blocking the loop."""

    run_id: str
    team_id: str
    idempotency_key: str
    """Stable across repeats of the same step; effectful tools pass it on to the outside service."""
    workspace: Path
    """Folder of the run. Read and write it on a thread (`asyncio.to_thread`)."""
    reporter: Reporter
    cancelled: Callable[[], bool]
    """True once nobody waits for the call. Whatever it awaits is cancelled at that moment, too."""
    allowed_hosts: Sequence[str] = ()
    """Hosts the agent may reach; empty means any public host."""
    begin_effect: Callable[[], Awaitable[None]] = _no_effect_to_begin
    """Awaited by a tool that `announces_effect` right before it changes something outside. See `ToolContext`."""


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
    """Function that carries out a call on a thread. None for tools with `run_async`, and for those that the engine
    carries out (`ask_human`).
    """
    run_async: Callable[[AsyncToolContext, Mapping[str, Any]], Awaitable[ToolResult]] | None = None
    """Function in place of `run` for a tool that only waits for the network. It runs on the engine's event loop."""
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

    def __post_init__(self) -> None:
        if self.run is not None and self.run_async is not None:
            raise ValueError(f"{self.name} has both run and run_async")

    @property
    def is_engine_tool(self) -> bool:
        """True if the engine itself carries out the calls."""
        return self.run is None and self.run_async is None

    def record(self, arguments: Mapping[str, Any]) -> SpecRecord:
        """Return what is stored with a step that makes a call with these arguments."""
        return SpecRecord(
            name=self.name,
            title=self.title,
            icon=self.icon,
            effect=self.effect,
            timeout_s=self.timeout_s,
            schema_hash=schema_hash(self),
            headline=(self.headline(arguments) or self.title)[:MAX_HEADLINE],
        )


MAX_HEADLINE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecRecord:
    """Facts of a spec that outlive its tool. Stored with the step that used it, as JSON."""

    name: str
    title: str
    icon: str
    effect: Effect
    timeout_s: float
    schema_hash: str
    headline: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> SpecRecord:
        """Rebuild a record from its JSON."""
        known = {one.name: data[one.name] for one in fields(cls)}
        return cls(**known | {"effect": Effect(known["effect"])})

    @classmethod
    def unknown(cls, name: str) -> SpecRecord:
        """Describe a tool of which nothing is known but its name: it may have had an effect."""
        nothing: dict[str, Any] = {"timeout_s": 0.0, "schema_hash": ""}
        return cls(name=name, title=name, icon=UNKNOWN_ICON, effect=Effect.EFFECTFUL, headline=name, **nothing)


UNKNOWN_ICON = "wrench"


def recorded_spec(
    stored: Mapping[str, Any] | None, present: ToolSpec | None, *, name: str, arguments: Mapping[str, Any]
) -> SpecRecord:
    """Return the spec that a step used. Steps of older versions store none: then the present one, if there is one."""
    if stored is not None:
        return SpecRecord.read(stored)
    return SpecRecord.unknown(name) if present is None else present.record(arguments)


@lru_cache(maxsize=256)
def schema_hash(spec: ToolSpec) -> str:
    """Return the SHA-256 of the spec's argument schema, in hexadecimal."""
    return sha256(json.dumps(spec.input_schema, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
