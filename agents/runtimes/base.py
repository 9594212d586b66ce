"""Interface of runtimes: each returns the next turn of a conversation.

A runtime turns a conversation into one more assistant message. It never runs tools, writes rows or knows what a run is;
the engine (`tasks/engine`) does that, and does not know which runtime it drives. Messages and blocks have the shape of
Anthropic's Messages API, so that a model's blocks can be passed back unchanged (thinking blocks included).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol

Block = Mapping[str, Any]
Message = Mapping[str, Any]
"""One message: {"role": "user" | "assistant", "content": [Block, …]}."""


class Stop(enum.StrEnum):
    """Reason why the model stopped."""

    END_TURN = "end_turn"
    TOOL_USE = "tool_use"
    MAX_TOKENS = "max_tokens"
    PAUSE_TURN = "pause_turn"
    REFUSAL = "refusal"
    CONTEXT_OVERFLOW = "context_overflow"
    NO_RESULT = "no_result"
    """The work ended without a result; the text gives the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts of one model answer, from the provider. Total input is the sum of the first three."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDefinition:
    name: str
    description: str
    input_schema: Mapping[str, Any]


MODEL_SPECIFIC_OPTIONS = ("thinking", "output_config")
"""Options that only some models accept. They are sent to the version's own model and to no other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRequest:
    """Input of a runtime."""

    run_id: str
    step_key: str
    """Stable name of the step; the same in a repeat after a crash."""
    model: str
    system: str
    messages: Sequence[Message]
    tools: Sequence[ToolDefinition]
    max_tokens: int
    options: Mapping[str, Any] = field(default_factory=dict)
    """Runtime settings of the agent version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One finished model answer."""

    content: Sequence[Block]
    """Blocks as the provider sent them: text, tool_use {id, name, input}, thinking and others.

    An `input` that is a string could not be parsed as JSON; the engine reports that to the model.
    """
    stop: Stop
    usage: Usage
    cost_usd: Decimal
    provider_message_id: str
    """Provider's id of the answer, for reference, at most 120 characters.

    A gateway may give two answers one id, or none.
    """
    model: str
    is_estimate: bool = False
    """True if the provider sent no usable count: usage and cost are the runtime's own upper estimate."""
    detail: str = ""
    """Provider's explanation of a refusal."""


class ModelError(Exception):
    """A model call without a usable answer.

    `retryable`: the same call may work later (rate limit, overload, reset). `sent`: the provider may have done (and
    bill) the work, so the ledger gets an `unknown` row. `partial`: text that had arrived.
    """

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        retryable: bool,
        sent: bool,
        retry_after_s: float | None = None,
        partial: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = retryable
        self.sent = sent
        self.retry_after_s = retry_after_s
        self.partial = partial


OnDelta = Callable[[str], None]
"""Callback for each piece of visible text, called on the event loop."""


class Runtime(Protocol):
    """One way to get the next turn. Instances are shared by all runs of a process, on one event loop."""

    name: str
    badge: str
    """Label of all work made by this runtime ("Demo model"), or ""."""

    async def next_turn(self, request: TurnRequest, on_delta: OnDelta) -> Turn:
        """Return the next assistant message, or raise ModelError.

        Do not retry: the engine counts and journals attempts.
        """

    def worst_case_usd(self, request: TurnRequest) -> Decimal:
        """Return the highest possible cost of `next_turn` in USD: an upper estimate of the input plus all of
        max_tokens.
        """
