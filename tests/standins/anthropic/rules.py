"""Requests that the provider refuses with 400, such as a conversation that is passed back wrongly."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.standins.anthropic.answers import signature

MOST_BREAKPOINTS = 4
MOST_IN_NAME = 128
_NAME = re.compile(r"[a-zA-Z0-9_-]+")
Body = Mapping[str, Any]


def broken_rule(body: Body, issued: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the first rule that the body breaks, or "".

    `issued` holds the blocks of each response by the tool ids in it.
    """
    return next(_broken(body, issued), "")


def _broken(body: Body, issued: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    for name in ("model", "max_tokens", "messages"):
        if name not in body:
            yield f"{name}: Field required"
            return
    if body["max_tokens"] < 1:
        yield "max_tokens: must be at least 1"
    if not body["messages"] or body["messages"][0]["role"] != "user":
        yield "messages: first message must use the user role"
        return
    if len(list(_breakpoints(body))) > MOST_BREAKPOINTS:
        yield f"A maximum of {MOST_BREAKPOINTS} blocks with cache_control may be provided."
    yield from _messages(body["messages"])
    yield from _unchanged(body["messages"], issued)


def _messages(messages: Sequence[Body]) -> Iterator[str]:
    open_ids: list[str] = []
    for at, message in enumerate(messages):
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not blocks:
            yield f"messages.{at}: all messages must have non-empty content"
        if any(block["type"] == "text" and not block["text"].strip() for block in blocks):
            yield f"messages.{at}: text content blocks must contain non-whitespace text"
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if message["role"] == "user":
            if set(results) - set(open_ids):
                yield f"messages.{at}: unexpected `tool_use_id` found in `tool_result` blocks: {results}"
            if set(open_ids) - set(results):
                yield f"messages.{at}: `tool_use` ids were found without `tool_result` blocks: {open_ids}"
            if [block["type"] for block in blocks[: len(results)]] != ["tool_result"] * len(results):
                yield f"messages.{at}: `tool_result` blocks must come first"
            open_ids = []
        elif wrong := wrong_calls(blocks):
            yield f"messages.{at}: {wrong}"
        elif open_ids:
            yield f"messages.{at}: `tool_use` ids were found without `tool_result` blocks: {open_ids}"
        open_ids += [block["id"] for block in blocks if block["type"] == "tool_use"]
    if open_ids:
        yield f"messages: `tool_use` ids were found without `tool_result` blocks: {open_ids}"


def wrong_calls(blocks: Sequence[Body]) -> str:
    """Return what is wrong with the tool calls of one message, or ""."""
    used = [block for block in blocks if block["type"] == "tool_use"]
    if not all(_is_name(block["id"]) for block in used):
        return "`tool_use.id`: String should match pattern '^[a-zA-Z0-9_-]+$'"
    if not all(_is_name(block["name"]) for block in used):
        return f"`tool_use.name`: String should have at most {MOST_IN_NAME} characters"
    if not all(isinstance(block["input"], dict) for block in used):
        return "`tool_use.input`: Input should be a valid dictionary"
    return "`tool_use` ids must be unique" if len({block["id"] for block in used}) < len(used) else ""


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None and len(value) <= MOST_IN_NAME


def _unchanged(messages: Sequence[Body], issued: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    for at, message in enumerate(messages):
        if message["role"] != "assistant" or isinstance(message["content"], str):
            continue
        for block in message["content"]:
            if block["type"] == "thinking" and block.get("signature") != signature(block["thinking"]):
                yield f"messages.{at}: Invalid `signature` in `thinking` block"
        ids = [block["id"] for block in message["content"] if block["type"] == "tool_use" and block["id"] in issued]
        if ids and [dict(block) for block in message["content"]] != [dict(block) for block in issued[ids[0]]]:
            yield f"messages.{at}: `thinking` blocks in the latest assistant message cannot be modified"


def _breakpoints(body: Body) -> Iterator[Body]:
    system = body.get("system", [])
    parts: list[Any] = [*body.get("tools", []), *(system if isinstance(system, list) else [])]
    for message in body["messages"]:
        parts += message["content"] if isinstance(message["content"], list) else []
    yield from (part for part in parts if "cache_control" in part)
