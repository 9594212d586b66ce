"""Responses of the stand-in: whole messages, and every way in which a response can fail."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Block = dict[str, Any]
_numbers = itertools.count(1)
_START = os.urandom(6).hex()
PIECE = 12


def new_id(prefix: str) -> str:
    """Return an id that is unique over all stand-ins, including other processes."""
    return f"{prefix}_{_START}{next(_numbers):06d}"


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def tool_use(name: str, arguments: Mapping[str, Any] | None = None, *, id: str = "", written: str = "") -> Block:
    """Return a tool call. `written` is sent in place of the JSON of its arguments."""
    block = {"type": "tool_use", "id": id or new_id("toolu"), "name": name, "input": dict(arguments or {})}
    return block | {"partial": written} if written else block


def thinking(words: str) -> Block:
    return {"type": "thinking", "thinking": words, "signature": signature(words)}


def signature(words: str) -> str:
    """Return the signature that proves that a thinking block came from here unchanged."""
    return "sig" + hashlib.sha256(b"stand-in" + words.encode(errors="surrogatepass")).hexdigest()


@dataclass(kw_only=True)
class Message:
    """Whole response. Without `stop` the reason is tool_use if it calls a tool, else end_turn."""

    content: Sequence[Block]
    stop: str = ""
    stop_details: Mapping[str, Any] | None = None
    usage: Mapping[str, Any] | None = field(default_factory=dict)
    """Overrides of the usage that is counted from request and response; None sends no usage."""
    delay_s: float = 0.0
    gap_s: float = 0.0
    """Seconds between two events of the stream."""
    message_id: Any = field(default_factory=lambda: new_id("msg"))
    model: Any = ""
    """Name of the model in the response, in place of the requested one."""

    @property
    def stop_reason(self) -> str:
        return self.stop or ("tool_use" if any(block["type"] == "tool_use" for block in self.content) else "end_turn")


def message(*content: Block, **options: Any) -> Message:
    return Message(content=content, **options)


@dataclass(frozen=True, kw_only=True)
class Refused:
    """Error response, worded as the provider does."""

    status: int
    type: str
    words: str = "No."
    headers: Mapping[str, str] = field(default_factory=dict)


RATE_LIMITED = Refused(status=429, type="rate_limit_error", words="Slow down.", headers={"retry-after": "7"})
OVERLOADED = Refused(status=529, type="overloaded_error", words="Overloaded")
BROKEN = Refused(status=500, type="api_error", words="Internal server error")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Message whose stream breaks after `after` events. how: "hang" (silence), "reset" (RST), "close" (a clean end
    without message_stop), "error" (an error event), "garbage" (an event that is no JSON), "drip" (the rest, one byte
    each `every_s`).
    """

    message: Message
    how: str
    after: int = 0
    error_type: str = "overloaded_error"
    every_s: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Unchanged bytes, sent for as long as somebody reads them; `pieces` may have no end.

    Without `head` they are the chunks of a stream that began with 200; with it they follow that head.
    """

    pieces: Iterable[bytes]
    head: bytes = b""
    gap_s: float = 0.0


Answer = Message | Refused | Broken | Raw


def endless(what: str, *, gap_s: float = 0.0, size: int = 1000) -> Raw:
    """Return a response without an end, sent for as long as somebody reads it."""
    begin = event("message_start", message={"id": "msg_endless", "model": "m", "usage": {"input_tokens": 5}})
    block, delta, words = {"type": "text", "text": ""}, {"type": "text_delta", "text": "x" * size}, "x" * size
    head = b""
    match what:
        case "arguments":
            block = {"type": "tool_use", "id": "toolu_1", "name": "list_files", "input": {}}
            delta = {"type": "input_json_delta", "partial_json": words}
        case "thinking":
            block, delta = {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": words}
        case "nothing":
            delta = {"type": "text_delta", "text": ""}
        case "header":
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
        case "error":
            head = b"HTTP/1.1 503 Busy\r\ncontent-type: text/plain\r\n\r\n"
    began = [begin, event("content_block_start", index=0, content_block=block)]
    rest: Iterator[bytes] = itertools.repeat(event("content_block_delta", index=0, delta=delta))
    match what:
        case "blocks":
            numbers = itertools.count(1)
            opened = {"type": "text", "text": words}
            rest = (event("content_block_start", index=n, content_block=opened) for n in numbers)
        case "pings":
            rest = itertools.repeat(event("ping"))
        case "comments":
            rest = itertools.repeat(b": nothing\n" * size)
        case "line":
            rest = itertools.chain([b"event: ping\ndata: "], itertools.repeat(b"x" * size))
        case "header":
            began, rest = [], (f"x-{n}: {words}\r\n".encode() for n in itertools.count())
        case "error":
            began, rest = [], itertools.repeat(b"Busy. " * size)
    return Raw(pieces=itertools.chain(began, rest), head=head, gap_s=gap_s)


def events(answer: Message, model: str, input_tokens: int) -> Iterator[bytes]:
    """Yield the stream of a message, one event at a time."""
    output = sum(len(json.dumps(block)) for block in answer.content) // 4 + 1
    counted = {
        "input_tokens": input_tokens,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": output,
    } | dict(answer.usage or {})
    named = model if answer.model == "" else answer.model
    shell = {"id": answer.message_id, "type": "message", "role": "assistant", "model": named, "content": []}
    first = {"stop_reason": None, "stop_sequence": None}
    if answer.usage is not None:
        first |= {"usage": counted | {"output_tokens": 1}}
    yield event("message_start", message=shell | first)
    yield event("ping")
    for index, block in enumerate(answer.content):
        yield from _block_events(index, block)
    delta = {"stop_reason": answer.stop_reason, "stop_sequence": None, "stop_details": answer.stop_details}
    total = {} if answer.usage is None else {"usage": {"output_tokens": counted["output_tokens"]}}
    yield event("message_delta", delta=delta, **total)
    yield event("message_stop")


def _block_events(index: int, block: Block) -> Iterator[bytes]:
    empty = dict(block)
    deltas: list[dict[str, str]] = []
    match block["type"]:
        case "text":
            empty["text"] = ""
            deltas = [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
        case "tool_use":
            empty["input"] = {}
            written = block.get("partial", json.dumps(block["input"], ensure_ascii=False))
            empty.pop("partial", None)
            deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *_pieces(written)]]
        case "thinking":
            empty |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
            if block["signature"]:
                deltas.append({"type": "signature_delta", "signature": block["signature"]})
    yield event("content_block_start", index=index, content_block=empty)
    for delta in deltas:
        yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_stop", index=index)


def event(kind: str, **data: Any) -> bytes:
    """Return one event of a stream. An unpaired surrogate is escaped in the JSON, because UTF-8 cannot hold it."""
    try:
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | data, ensure_ascii=False)}\n\n".encode()
    except UnicodeEncodeError:
        return f"event: {kind}\ndata: {json.dumps({'type': kind} | data)}\n\n".encode()


def error_body(kind: str, words: str, request_id: str) -> dict[str, Any]:
    return {
        "type": "error",
        "error": {"type": kind, "message": words, "details": None},
        "request_id": request_id,
    }


def _pieces(words: str) -> list[str]:
    return [words[at : at + PIECE] for at in range(0, len(words), PIECE)]
