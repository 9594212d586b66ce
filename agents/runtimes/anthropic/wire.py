"""Conversion of a TurnRequest to the body of a Messages API call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agents.runtimes.base import Block, Message, TurnRequest

CACHED = {"type": "ephemeral"}
PASSED_ON = ("thinking", "output_config", "tool_choice", "stop_sequences", "service_tier", "metadata")
"""Options of the agent version that are passed to the provider unchanged."""


def body(request: TurnRequest) -> dict[str, Any]:
    """Return the request body. Four cache breakpoints: tools, system, and the ends of the last two user messages."""
    content: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "messages": messages(request.messages),
        "stream": True,
    }
    if request.system:
        content["system"] = [{"type": "text", "text": request.system, "cache_control": CACHED}]
    if request.tools:
        content["tools"] = tools(request)
    return content | {name: request.options[name] for name in PASSED_ON if name in request.options}


def tools(request: TurnRequest) -> list[dict[str, Any]]:
    listed = [
        {"name": tool.name, "description": tool.description, "input_schema": tool.input_schema}
        for tool in request.tools
    ]
    if listed:
        listed[-1]["cache_control"] = CACHED
    return listed


def messages(conversation: Sequence[Message]) -> list[dict[str, Any]]:
    """Return the conversation with cache breakpoints. Blocks stay unchanged, except what the provider would refuse."""
    listed = [{"role": message["role"], "content": _blocks(message)} for message in conversation]
    listed = [message for message in listed if message["content"]]
    for message in [each for each in listed if each["role"] == "user"][-2:]:
        message["content"][-1] = {**message["content"][-1], "cache_control": CACHED}
    return listed


def _blocks(message: Message) -> list[Block]:
    """Return the message's blocks without empty texts, tool results first."""
    content = message["content"]
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    kept = [block for block in content if not _is_empty_text(block)]
    return sorted(kept, key=_is_not_result) if message["role"] == "user" else kept


def _is_not_result(block: Block) -> bool:
    return block.get("type") != "tool_result"


def _is_empty_text(block: Block) -> bool:
    return block.get("type") == "text" and not str(block.get("text", "")).strip()
