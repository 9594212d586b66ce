"""Recordings for forks and replays.

Recorded results stand in for calls until the first one that differs. A replay makes no call at all: its steps are the
recordings, one for one, and it ends where they end.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from psycopg.rows import DictRow

from agents.runtimes.base import ModelError, OnDelta, Runtime, Stop, Turn, TurnRequest, Usage
from tasks.call_digest import digest
from tasks.engine import intake
from tasks.models import Recording, RunKind, StepKind


class Recordings:
    """Recordings of one run, with the number of those used."""

    def __init__(self, row: DictRow) -> None:
        self.is_replay = row["kind"] == RunKind.REPLAY
        self._all = row["recordings"]
        self._tools = [r for r in self._all if r["digest"] not in ("", Recording.SAID)]
        self._models = [r["result"] for r in self._all if not r["digest"]]
        since = row["forked_at_step"] or 0
        own = [s for s in row["steps"] if s["kind"] == StepKind.TOOL and s["index"] > since and s["result"]]
        self._used = sum(1 for s in own if s["result"].get("reused"))
        if self._used < len(own):
            self._tools = []  # it has left the recorded path already

    def of_call(self, tool: str, arguments: Mapping[str, Any], problem: str) -> DictRow | None:
        """Return the recorded result of this call if it is the next one.

        Any other call ends the reuse for good. A call that would be refused now, for `problem`, is reused in a fork
        only if it was refused with the same words.
        """
        found: DictRow | None = self._tools[self._used] if self._used < len(self._tools) else None
        if found and found["digest"] == digest(tool, arguments) and self._stands(found, problem):
            self._used += 1
            return found
        self._tools = []
        return None

    def _stands(self, found: DictRow, problem: str) -> bool:
        return self.is_replay or not problem or bool(found["result"]["content"] == problem)

    def said_at(self, position: int) -> Mapping[str, Any] | None:
        """Return the input that the replayed run has as step `position + 1`, or None."""
        if not self.is_replay or position >= len(self._all) or self._all[position]["digest"] != Recording.SAID:
            return None
        said: Mapping[str, Any] = self._all[position]["result"]
        return said

    def runtime(self) -> Runtime | None:
        """Return the recorded model of a replay; None for a real one."""
        return ReplayRuntime(self._models) if self.is_replay else None


class ReplayRuntime:
    """Runtime that repeats recorded responses. Makes no call and costs nothing."""

    name = "replay"
    badge = "Replay"

    def __init__(self, answers: list[Mapping[str, Any]]) -> None:
        self._answers = answers

    async def next_turn(self, request: TurnRequest, on_delta: OnDelta) -> Turn:
        position = sum(1 for message in request.messages if message["role"] == "assistant")
        if position >= len(self._answers):
            raise ModelError("The recording ends here.", kind="replay", retryable=False, sent=False)
        answer = self._answers[position]
        return Turn(
            content=intake.without_repeats(answer["content"]),
            stop=Stop(answer["stop"]),
            usage=Usage(),
            cost_usd=Decimal(0),
            provider_message_id=f"replay:{request.step_key}",
            model=request.model,
        )

    def worst_case_usd(self, request: TurnRequest) -> Decimal:
        return Decimal(0)
