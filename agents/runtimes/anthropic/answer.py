"""Assembly of an answer from the events of its stream."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from accounts import strict_json
from agents.runtimes.anthropic.bounds import TooLong
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
CUT = (Stop.MAX_TOKENS, Stop.CONTEXT_OVERFLOW)
MAX_DETAIL = 2000
MAX_ID, MAX_MODEL = 120, 80
MOST_CHARS = 4_000_000
COUNTED = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
)
MOST_TOKENS = 100_000_000
"""Highest credible token count of one call; a higher one is ignored."""


class Malformed(Exception):
    """The stream violates the Messages API."""


class Answer:
    """One message, built from the events received so far."""

    def __init__(self, on_text: Callable[[str], None], *, most_chars: int = MOST_CHARS) -> None:
        self._on_text = on_text
        self._most_chars = self._chars_left = most_chars
        self._half = ""
        self._size = 0
        self._blocks: list[dict[str, Any]] = []
        self._pieces: list[dict[str, list[Any]]] = []
        self._usage: dict[str, Any] = {}
        self._stop: Stop | None = None
        self._has_begun = self._is_output_counted = False
        self.message_id = ""
        self.model = ""
        self.detail = ""
        self.is_complete = False

    def take(self, event: Mapping[str, Any], *, size: int = 0) -> None:
        """Add one event of `size` characters. Raises Malformed or TooLong."""
        self._size = size
        try:
            self._take(event)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(f"An event of the stream does not fit: {error!r}."[:300]) from error

    def _take(self, event: Mapping[str, Any]) -> None:
        kind = event["type"]
        if kind == "message_start":
            self._start(event["message"])
        elif kind == "ping":
            return
        elif not self._has_begun:
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
        """Return the visible text so far."""
        return strict_json.clean_text("".join("".join(pieces.get("text", ())) for pieces in self._pieces))

    @property
    def stop(self) -> Stop:
        """Return the stop reason. An unknown reason is derived from the content."""
        if self._stop is not None:
            return self._stop
        used = any(block.get("type") == "tool_use" for block in self._blocks)
        return Stop.TOOL_USE if used else Stop.END_TURN

    def content(self) -> list[Block]:
        """Return the complete blocks, unchanged. Blocks that a cut-off left incomplete are dropped: they could not be
        passed back.

        The `input` of a tool call that is not valid JSON stays a string: the engine reports the error to the model.
        """
        pairs = zip(self._blocks, self._pieces, strict=True)
        return [block for block, pieces in pairs if self._complete(block, pieces)]

    def tokens(self) -> Tokens:
        """Return the provider's token counts: the first count, overwritten by later ones.

        Zero input, or zero output, means that it was not counted: every call has some input, and an answer some output.
        """
        written = _count(self._usage.get("cache_creation_input_tokens"))
        kinds = self._usage.get("cache_creation")
        hour = _count(kinds.get("ephemeral_1h_input_tokens")) if isinstance(kinds, Mapping) else 0
        return Tokens(
            input=_count(self._usage.get("input_tokens")),
            cache_read=_count(self._usage.get("cache_read_input_tokens")),
            cache_write=max(written - hour, 0),
            cache_write_hour=hour,
            output=_count(self._usage.get("output_tokens")) if self._is_output_counted else 0,
        )

    def _start(self, message: Mapping[str, Any]) -> None:
        self._has_begun = True
        self.message_id = _named(message.get("id"), MAX_ID)
        self.model = _named(message.get("model"), MAX_MODEL)
        self._note_usage(message.get("usage") or {})

    def _note_usage(self, usage: Mapping[str, Any]) -> None:
        self._usage.update({name: usage[name] for name in COUNTED if usage.get(name) is not None})

    def _open(self, index: int, block: Mapping[str, Any]) -> None:
        if index != len(self._blocks):
            raise Malformed(f"Block {index} came after {len(self._blocks)} blocks.")
        _text(block["type"])
        self._keep(self._size)
        self._blocks.append(dict(block))
        pieces: dict[str, list[Any]] = {}
        for name in ("text", "thinking"):
            if block["type"] == name and block.get(name):
                pieces[name] = [_text(block[name])]
        self._pieces.append(pieces)

    def _extend(self, index: int, delta: Mapping[str, Any]) -> None:
        if index < 0:
            raise Malformed(f"There is no block {index}.")
        block, pieces = self._blocks[index], self._pieces[index]
        match delta["type"]:
            case "text_delta":
                pieces.setdefault("text", []).append(self._piece(delta["text"]))
                self._say(delta["text"])
            case "input_json_delta":
                pieces.setdefault("input", []).append(self._piece(delta["partial_json"]))
            case "thinking_delta":
                pieces.setdefault("thinking", []).append(self._piece(delta["thinking"]))
            case "signature_delta":
                block["signature"] = self._piece(delta["signature"])
            case "citations_delta":
                self._keep(self._size)
                pieces.setdefault("citations", list(block.get("citations") or ())).append(delta["citation"])

    def _piece(self, value: object) -> str:
        text = _text(value)
        self._keep(len(text))
        return text

    def _keep(self, chars: int) -> None:
        """Count characters against the limit. Raises TooLong."""
        self._chars_left -= chars
        if self._chars_left < 0:
            raise TooLong(f"It has more than {self._most_chars:,} characters.")

    def _say(self, text: str) -> None:
        """Pass text on in whole characters: the two halves of a surrogate pair may arrive in two pieces."""
        text, self._half = self._half + text, ""
        if text and "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        if text:
            self._on_text(strict_json.clean_text(text))

    def _finish(self, delta: Mapping[str, Any], usage: Mapping[str, Any]) -> None:
        """Apply a message delta. There may be several; fields that one leaves out keep their value."""
        self._note_usage(usage)
        if usage.get("output_tokens") is not None:
            self._is_output_counted = True  # the count at the start of a message is not the total
        if reason := delta.get("stop_reason"):
            self._stop = STOPS.get(reason)
        if details := delta.get("stop_details"):
            self.detail = str(details.get("explanation") or details.get("category") or "")[:MAX_DETAIL]

    def _complete(self, block: dict[str, Any], pieces: Mapping[str, list[Any]]) -> bool:
        """Join the pieces into the block. Return False if it was cut off."""
        for name in ("text", "thinking"):
            if name in pieces:
                block[name] = strict_json.clean_text("".join(pieces[name]))
        if "citations" in pieces:
            block["citations"] = pieces["citations"]
        if block["type"] == "text":
            return bool(block["text"])
        if block["type"] == "thinking":
            return self._is_whole(block, "".join(pieces.get("thinking", ())))
        if "input" in pieces or block["type"].endswith("tool_use"):
            return self._parse_input(block, "".join(pieces.get("input", ())))
        return True

    def _is_whole(self, block: Mapping[str, Any], thought: str) -> bool:
        """Return True if the thinking can be passed back. Its signature covers exactly these characters."""
        if block.get("thinking", "").count("\ufffd") != thought.count("\ufffd"):
            raise Malformed("The thinking holds a NUL or half a character, so it cannot be passed back.")
        return bool(block.get("signature"))

    def _parse_input(self, block: dict[str, Any], text: str) -> bool:
        """Parse the arguments. Return False if they were cut off."""
        if not text:
            block["input"] = block.get("input") or {}
            return True
        try:
            value = strict_json.loads(text)
        except strict_json.NotStorable as error:
            if self._stop in CUT:
                return False
            if block["type"] != "tool_use":
                raise Malformed(f"The input of {block['type']} cannot be read. {error}") from error
            value = text
        block["input"] = value if isinstance(value, dict) else text
        return True


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _named(value: object, most: int) -> str:
    """Return a string value cut to `most` characters, or "" for anything that is not a string."""
    return strict_json.clean_text(value)[:most] if isinstance(value, str) else ""


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(value) if 0 < value <= MOST_TOKENS else 0
