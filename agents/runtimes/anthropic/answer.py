"""Putting an answer together from the events of its stream."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from agents.runtimes.base import Block, Stop
from billing.pricing import Tokens

STOPS = {
    "end_turn": Stop.END_TURN,
    "stop_sequence": Stop.END_TURN,
    "tool_use": Stop.TOOL_USE,
    "max_tokens": Stop.MAX_TOKENS,
    "pause_turn": Stop.PAUSE_TURN,
    "refusal": Stop.REFUSAL,
    "model_context_window_exceeded": Stop.CONTEXT_OVERFLOW,
}


class Malformed(Exception):
    """The stream is not what the Messages API promises."""


class Answer:
    """One message, as far as its events have come."""

    def __init__(self, on_text: Callable[[str], None]) -> None:
        self._on_text = on_text
        self._blocks: list[dict[str, Any]] = []
        self._pieces: list[dict[str, list[str]]] = []
        self._usage: dict[str, Any] = {}
        self._stop: Stop | None = None
        self.message_id = ""
        self.model = ""
        self.detail = ""
        self.is_complete = False

    def take(self, event: Mapping[str, Any]) -> None:
        """One more event, or Malformed."""
        try:
            self._take(event)
        except (KeyError, IndexError, TypeError, AttributeError) as error:
            raise Malformed(f"An event of the stream does not fit: {error!r}.") from error

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "message_start":
            self._start(event["message"])
        elif kind == "ping":
            return
        elif not self.message_id:
            raise Malformed("The stream did not begin with message_start.")
        elif kind == "content_block_start":
            self._open(event["index"], event["content_block"])
        elif kind == "content_block_delta":
            self._extend(event["index"], event["delta"])
        elif kind == "message_delta":
            self._finish(event["delta"], event.get("usage") or {})
        elif kind == "message_stop":
            self.is_complete = True

    @property
    def text(self) -> str:
        """The visible text so far."""
        return "".join("".join(pieces.get("text", ())) for pieces in self._pieces)

    @property
    def stop(self) -> Stop:
        """Why it ended. A reason that is new to us counts by what the answer holds."""
        if self._stop is not None:
            return self._stop
        used = any(block.get("type") == "tool_use" for block in self._blocks)
        return Stop.TOOL_USE if used else Stop.END_TURN

    def content(self) -> list[Block]:
        """The blocks as they came. What a cut-off left unfinished, and could not be passed back, is dropped."""
        pairs = zip(self._blocks, self._pieces, strict=True)
        return [block for block, pieces in pairs if self._complete(block, pieces)]

    def tokens(self) -> Tokens:
        """As the provider counted them: the first count, overwritten by the later ones."""
        written = _count(self._usage.get("cache_creation_input_tokens"))
        hour = _count((self._usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens"))
        return Tokens(
            input=_count(self._usage.get("input_tokens")),
            cache_read=_count(self._usage.get("cache_read_input_tokens")),
            cache_write=max(written - hour, 0),
            cache_write_hour=hour,
            output=_count(self._usage.get("output_tokens")),
        )

    def _start(self, message: Mapping[str, Any]) -> None:
        self.message_id, self.model = message["id"], message["model"]
        self._usage.update(message.get("usage") or {})

    def _open(self, index: int, block: Mapping[str, Any]) -> None:
        if index != len(self._blocks):
            raise Malformed(f"Block {index} came after {len(self._blocks)} blocks.")
        self._blocks.append(dict(block))
        first = block.get("text")
        self._pieces.append({"text": [first]} if first else {})

    def _extend(self, index: int, delta: Mapping[str, Any]) -> None:
        block, pieces = self._blocks[index], self._pieces[index]
        match delta["type"]:
            case "text_delta":
                pieces.setdefault("text", []).append(delta["text"])
                self._on_text(delta["text"])
            case "input_json_delta":
                pieces.setdefault("input", []).append(delta["partial_json"])
            case "thinking_delta":
                pieces.setdefault("thinking", [block.get("thinking", "")]).append(delta["thinking"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]

    def _finish(self, delta: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        self._usage.update({name: count for name, count in usage.items() if count is not None})
        self._stop = STOPS.get(delta.get("stop_reason") or "")
        details = delta.get("stop_details") or {}
        self.detail = str(details.get("explanation") or details.get("category") or "")

    def _complete(self, block: dict[str, Any], pieces: Mapping[str, list[str]]) -> bool:
        """Join the pieces into the block; False for one that was cut off before it was whole."""
        for name in ("text", "thinking"):
            if name in pieces:
                block[name] = "".join(pieces[name])
        if block["type"] == "text":
            return bool(block["text"])
        if block["type"] == "thinking":
            return bool(block.get("signature"))
        if "input" in pieces or block["type"].endswith("tool_use"):
            return self._parse_input(block, "".join(pieces.get("input", ())))
        return True

    def _parse_input(self, block: dict[str, Any], text: str) -> bool:
        try:
            block["input"] = json.loads(text) if text else block.get("input") or {}
        except ValueError as error:
            if self._stop is Stop.MAX_TOKENS or self._stop is Stop.CONTEXT_OVERFLOW:
                return False
            raise Malformed(f"The input of {block.get('name')} is not JSON.") from error
        if not isinstance(block["input"], dict):
            raise Malformed(f"The input of {block.get('name')} is not an object.")
        return True


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
