"""Writes of the engine. One Commit holds all writes of one run at one moment, applied wholly or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from tasks.events import Event


class LeaseLost(Exception):
    """Loss of ownership by another owner, a cancel or a deletion. This worker may write nothing more about the run."""


class UnreadMessage(Exception):
    """Unread message that prevented the end of the run; nothing was written."""


class BudgetRefused(Exception):
    """Worst-case cost of the next call that exceeds a budget; nothing was written."""

    def __init__(self, *, scope: str, spent_usd: Decimal, limit_usd: Decimal, needed_usd: Decimal) -> None:
        super().__init__(f"The {scope} budget of ${limit_usd:.2f} does not leave ${needed_usd:.4f}.")
        self.scope = scope
        self.spent_usd = spent_usd
        self.limit_usd = limit_usd
        self.needed_usd = needed_usd


class InputReason(StrEnum):
    """Reason for which the engine asks the model for more. Stored with the input step, to count the asks."""

    CUT_OFF = "cut_off"
    CORRECTION = "correction"


@dataclass(slots=True, kw_only=True)
class StepWrite:
    """Present state of a step; the same index replaces it."""

    index: int
    kind: str
    status: str
    attempt: int = 1
    call_id: str = ""
    tool: str = ""
    request: dict[str, Any] = field(default_factory=dict)
    spec: dict[str, Any] | None = None
    """Tool: the SpecRecord that the call is made with, as JSON."""
    result: dict[str, Any] | None = None
    effect_began: bool = False
    """Tool: True if the attempt may change something outside from this commit on."""
    effect_at: datetime | None = None
    """Read only: time at which the beginning of the effect was committed."""


@dataclass(slots=True, kw_only=True)
class UsageWrite:
    """Line of the usage ledger."""

    key: str
    outcome: str
    step_key: str
    model: str
    provider_id: str = ""
    is_estimate: bool = False
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(slots=True, kw_only=True)
class RequestWrite:
    """Request to people that opens with this commit."""

    id: UUID
    kind: str
    title: str
    prompt: str = ""
    choices: list[Any] | None = None
    schema: dict[str, Any] | None = None
    step_index: int | None = None
    call_id: str = ""
    tool: str = ""
    arguments: dict[str, Any] | None = None
    digest: str = ""
    expires_at: datetime | None = None


@dataclass(slots=True, kw_only=True)
class ArtifactWrite:
    """File whose object is complete in the store (its StoredFile row exists)."""

    id: UUID
    path: str
    file_id: UUID
    version: int


@dataclass(slots=True, kw_only=True)
class Reserve:
    """Reservation of money for one call before it is made."""

    key: str
    amount_usd: Decimal


@dataclass(slots=True, kw_only=True)
class Settle:
    """Settlement of a reservation: the cost is charged, the rest is free again."""

    key: str
    cost_usd: Decimal


@dataclass(slots=True, kw_only=True)
class Commit:
    """Atomic write about one run, applied only while its owner is still the owner."""

    run_id: UUID
    epoch: int
    commit_no: int
    events: list[Event] = field(default_factory=list)
    steps: dict[int, StepWrite] = field(default_factory=dict)
    usage: list[UsageWrite] = field(default_factory=list)
    requests: list[RequestWrite] = field(default_factory=list)
    artifacts: list[ArtifactWrite] = field(default_factory=list)
    reserve: Reserve | None = None
    settle: list[Settle] = field(default_factory=list)
    status: str | None = None
    waiting_kind: str = ""
    start_at: datetime | None = None
    output: Any = None
    error_code: str = ""
    error_detail: str = ""
    progress: dict[str, Any] | None = None
    turns: int = 0
    active_s: float = 0.0
    read_message_seq: int | None = None
    """Condition: nobody has sent a message after that event. None for no condition."""


@dataclass(slots=True, frozen=True)
class Committed:
    """Result of a Commit."""

    last_seq: int
    last_message_seq: int = 0
    warnings: Sequence[tuple[str, Decimal, Decimal]] = ()
    """Budgets that passed 80 % with this commit, as (scope, spent, limit)."""
