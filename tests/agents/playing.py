"""Small loop in place of the engine, which plays a runtime in tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.runtimes.base import Runtime, ToolDefinition, Turn, TurnRequest

MOST_TURNS = 40
Answer = tuple[str, bool]
"""Result of a tool, and True if it is an error."""


@dataclass
class Play:
    """Record of a play: every turn, every call with its result, and the final messages."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)
    calls: list[tuple[str, Mapping[str, Any], Answer]] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)

    @property
    def last_text(self) -> str:
        return text_of(self.turns[-1])

    def used(self, tool: str) -> list[Mapping[str, Any]]:
        return [arguments for name, arguments, _ in self.calls if name == tool]


def text_of(turn: Turn) -> str:
    return "".join(block["text"] for block in turn.content if block["type"] == "text")


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": text}]}


def request(
    *,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[str] = (),
    system: str = "You are an analyst.",
    run_id: str = "run-1",
    step_key: str = "turn-1",
    model: str = "demo-1",
    max_tokens: int = 8000,
    options: Mapping[str, Any] | None = None,
) -> TurnRequest:
    definitions = [ToolDefinition(name=name, description=name, input_schema={"type": "object"}) for name in tools]
    return TurnRequest(
        run_id=run_id,
        step_key=step_key,
        model=model,
        system=system,
        messages=messages,
        tools=definitions,
        max_tokens=max_tokens,
        options=options or {},
    )


def play(
    runtime: Runtime,
    prompt: str,
    *,
    tools: Sequence[str],
    answer: Callable[[str, Mapping[str, Any]], Answer],
    comments: Sequence[str] = (),
    **asked: Any,
) -> Play:
    """Drive the runtime until it ends its turn and no comment is left. `asked` is part of each request."""
    return asyncio.run(_play(runtime, prompt, answer, list(comments), {"tools": tools, **asked}))


async def _play(
    runtime: Runtime,
    prompt: str,
    answer: Callable[[str, Mapping[str, Any]], Answer],
    comments: list[str],
    options: Mapping[str, Any],
) -> Play:
    done = Play(messages=[user(prompt)])
    for number in range(MOST_TURNS):
        asked = request(messages=done.messages, step_key=f"turn-{number}", **options)
        turn = await runtime.next_turn(asked, done.deltas.append)
        done.turns.append(turn)
        done.messages.append({"role": "assistant", "content": list(turn.content)})
        results = [_result(done, block, answer) for block in turn.content if block["type"] == "tool_use"]
        if not results and not comments:
            return done
        done.messages.append({"role": "user", "content": results} if results else user(comments.pop(0)))
    raise AssertionError(f"no end after {MOST_TURNS} turns")


def _result(done: Play, block: Mapping[str, Any], answer: Callable[[str, Mapping[str, Any]], Answer]) -> dict[str, Any]:
    text, is_error = answer(block["name"], block["input"])
    done.calls.append((block["name"], block["input"], (text, is_error)))
    return {"type": "tool_result", "tool_use_id": block["id"], "content": text, "is_error": is_error}
