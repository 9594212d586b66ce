"""Offline runtime: scripts in place of a model, with the same tools and the same input."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from decimal import Decimal

from agents.runtimes.base import Block, OnDelta, Stop, Turn, TurnRequest, Usage
from agents.runtimes.demo import analyst, benchmark, writer
from agents.runtimes.demo.replay import Script, ScriptContext, ScriptedTurn, next_scripted_turn

MODEL = "demo-1"
MAX_SPEECH_S = 0.9
"""Seconds within which a text of any length is streamed."""


class DemoRuntime:
    """Offline, free and deterministic runtime: the same conversation always gets the same next turn.

    Options: `script` "bench" plays `turns` turns without a pause, "slow" waits `delay_s` before each of them.
    """

    name = "demo"
    badge = "Demo model"

    def __init__(self, *, delay_ms: float = 0) -> None:
        self._delay_s = delay_ms / 1000

    async def next_turn(self, request: TurnRequest, on_delta: OnDelta) -> Turn:
        await asyncio.sleep(benchmark.pause_s(request.options))
        turn = next_scripted_turn(request, _script_for(request))
        await self._say(turn.text, request, on_delta)
        return _turn(request, turn)

    def worst_case_usd(self, request: TurnRequest) -> Decimal:
        return benchmark.turn_cost_usd(request.options)

    async def _say(self, text: str, request: TurnRequest, on_delta: OnDelta) -> None:
        if not self._delay_s or "script" in request.options:
            if text:
                on_delta(text)
            return
        pieces = re.findall(r"\s*\S{1,40}\s*\S{0,40}", text)
        for piece in pieces:
            on_delta(piece)
            await asyncio.sleep(min(self._delay_s, MAX_SPEECH_S / len(pieces)))


def _script_for(request: TurnRequest) -> Callable[[ScriptContext], Script]:
    if request.options.get("script") in benchmark.SCRIPTS:
        return benchmark.script
    if any(tool.name == "query_table" for tool in request.tools):
        return analyst.script
    return writer.script


def _turn(request: TurnRequest, turn: ScriptedTurn) -> Turn:
    stamp = hashlib.sha256(f"{request.run_id}/{request.step_key}/{len(request.messages)}".encode()).hexdigest()[:20]
    content: list[Block] = [{"type": "text", "text": turn.text}] if turn.text else []
    for number, call in enumerate(turn.calls):
        content.append(
            {"type": "tool_use", "id": f"toolu_demo_{stamp}_{number}", "name": call.tool, "input": dict(call.arguments)}
        )
    return Turn(
        content=content,
        stop=_stop(turn),
        usage=Usage(
            input_tokens=_tokens([request.system, *request.messages]),
            output_tokens=_tokens(content),
        ),
        cost_usd=benchmark.turn_cost_usd(request.options),
        provider_message_id=f"demo_{stamp}",
        model=MODEL,
    )


def _stop(turn: ScriptedTurn) -> Stop:
    if turn.calls:
        return Stop.TOOL_USE
    return Stop.NO_RESULT if turn.has_failed else Stop.END_TURN


def _tokens(value: object) -> int:
    """Return an estimate of the tokens, at four characters each; no model counted them."""
    return -(-_chars(value) // 4)


def _chars(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict | Mapping):
        return sum(map(_chars, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(_chars, value))
    return 0
