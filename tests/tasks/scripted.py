"""Scripted runtime, and an engine in this process to run it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agents.runtimes.base import ModelError, OnDelta, Stop, Turn, TurnRequest, Usage
from tasks.engine.driver import Driver
from tasks.models import LIVE, Run, RunEvent, RunStatus
from tests.timeouts import PATIENCE_S


def say(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def call(tool: str, call_id: str = "", **arguments: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id or f"toolu_{tool}", "name": tool, "input": arguments}


@dataclass
class Scripted:
    """Runtime in which `script[n]` is turn n of a run.

    That is blocks, a ModelError to raise, or a function of the request.
    """

    script: Sequence[Any]
    cost_usd: Decimal = Decimal("0.01")
    worst_usd: Decimal = Decimal("0.05")
    name: str = "scripted"
    badge: str = ""
    calls: list[TurnRequest] = field(default_factory=list)
    before_turn: Callable[[TurnRequest], Any] | None = None

    async def next_turn(self, request: TurnRequest, on_delta: OnDelta) -> Turn:
        self.calls.append(request)
        number = len(self.calls)
        if self.before_turn:
            waited = self.before_turn(request)
            if asyncio.iscoroutine(waited):
                await waited
        done = sum(1 for message in request.messages if message["role"] == "assistant")
        move = self.script[min(done, len(self.script) - 1)]
        if callable(move):
            move = move(request)
        if isinstance(move, ModelError):
            raise move
        stop = Stop.END_TURN
        if isinstance(move, tuple):
            stop, move = move
        elif any(block["type"] == "tool_use" for block in move):
            stop = Stop.TOOL_USE
        for block in move:
            if block["type"] == "text":
                on_delta(block["text"])
        return Turn(
            content=move,
            stop=stop,
            usage=Usage(input_tokens=10, output_tokens=5),
            cost_usd=self.cost_usd,
            provider_message_id=f"msg_{request.step_key}_{number}",
            model=request.model,
        )

    def worst_case_usd(self, request: TurnRequest) -> Decimal:
        return self.worst_usd


@contextmanager
def engine(worker: str = "test-worker") -> Iterator[Driver]:
    """Run a driver as a worker process does, until the block ends."""
    driver = Driver(worker=worker)
    driver.start()
    try:
        yield driver
    finally:
        driver.stop()


def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_S) -> Any:
    """Wait until the condition is true and return its value. Raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
        threading.Event().wait(0.02)
    raise AssertionError("the condition did not come true in time")


def settled(run: Run, *statuses: str, seconds: float = PATIENCE_S) -> Run:
    """Wait until the run has one of the statuses, and return it.

    The default is any in which it does not proceed by itself. Return it.
    """
    wanted = statuses or [s for s in RunStatus.values if s not in (RunStatus.QUEUED, RunStatus.RUNNING)]

    def look() -> bool:
        run.refresh_from_db()
        return run.status in wanted

    try:
        until(look, seconds=seconds)
    except AssertionError as error:
        told = list(RunEvent.objects.filter(run=run).order_by("seq").values_list("type", "data"))
        raise AssertionError(f"run is {run.status}, wanted {wanted}: {told}") from error
    return run


def types(run: Run) -> list[str]:
    """Return the event types of the run, in order. Checks that seq is 1, 2, 3, …"""
    rows = list(RunEvent.objects.filter(run=run).order_by("seq").values_list("seq", "type"))
    assert [seq for seq, _ in rows] == list(range(1, len(rows) + 1))
    assert run.last_seq == len(rows) or run.status in LIVE
    return [type_ for _, type_ in rows]


def last(run: Run, type_: str) -> Mapping[str, Any]:
    """Return the data of the run's newest event of that type."""
    data: Mapping[str, Any] = (
        RunEvent.objects.filter(run=run, type=type_).order_by("-seq").values_list("data", flat=True)[0]
    )
    return data
