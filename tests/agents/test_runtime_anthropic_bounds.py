"""Bounds of answers: none is read further than its max_tokens can reach."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import tracemalloc
from collections.abc import Iterator

import pytest

from agents.runtimes.anthropic import AnthropicRuntime
from agents.runtimes.anthropic.bounds import ERROR_BYTES, Bounds
from agents.runtimes.base import ModelError, Turn
from tests.agents.playing import request, user
from tests.standins.anthropic import (
    Answer,
    AnthropicStandIn,
    Message,
    Raw,
    endless,
    event,
    message,
    text,
    thinking,
    tool_use,
)  # fmt: skip

MODEL = "claude-sonnet-5-5"
TOKENS = 1000
MB = 1024 * 1024


@pytest.fixture
def claude() -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn() as stand_in:
        yield stand_in


def play(claude: AnthropicStandIn, answer: Answer, *, answer_s: float = 60.0) -> Turn:
    claude.answer(answer)
    runtime = AnthropicRuntime(api_key="key", base_url=claude.url, answer_s=answer_s, silence_s=20.0)
    asked = request(messages=[user("Hello")], model=MODEL, max_tokens=TOKENS)
    return asyncio.run(runtime.next_turn(asked, lambda piece: None))


def failed(claude: AnthropicStandIn, answer: Answer, *, answer_s: float = 60.0) -> ModelError:
    with pytest.raises(ModelError) as caught:
        play(claude, answer, answer_s=answer_s)
    assert claude.count == 1
    return caught.value


@pytest.mark.promise("G23")
@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("text", "It has more than 129,536 characters."),
        ("arguments", "It has more than 129,536 characters."),
        ("thinking", "It has more than 129,536 characters."),
        ("blocks", "It has more than 129,536 characters."),
        ("pings", "It has more than 8,096 events."),
        ("nothing", "It has more than 8,096 events."),
        ("comments", "It has more bytes than that."),
        ("line", "Server-sent event exceeded the 777472 byte limit."),
    ],
)
def test_an_answer_without_an_end_is_cut_at_what_it_can_be(claude: AnthropicStandIn, what: str, why: str) -> None:
    bounds = Bounds.of(TOKENS)
    tracemalloc.start()

    error = failed(claude, endless(what))

    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (error.kind, error.retryable, error.sent) == ("too_long", True, True)
    assert str(error) == f"The model provider sent more than its answer may hold, so it was cut off. {why}"
    assert claude.raw_bytes < bounds.total_bytes + 8 * MB, "what lies in the sockets' buffers comes on top"
    assert most < 20 * MB
    assert len(error.partial) <= bounds.chars


@pytest.mark.promise("G23")
def test_one_event_of_a_few_bytes_a_line_is_read_in_time(claude: AnthropicStandIn) -> None:
    """Joining a hundred thousand lines one by one would block every run of the worker for minutes."""
    lines = [b"data: x\n" * 1000] * 1000

    error = failed(claude, Raw(pieces=lines))

    assert error.kind == "too_long"


@pytest.mark.promise("G23")
def test_an_error_is_read_no_further_than_its_start(claude: AnthropicStandIn) -> None:
    error = failed(claude, endless("error"))

    assert (error.kind, error.retryable, error.sent) == ("overloaded", True, False)
    assert str(error) == "The model provider is overloaded."
    assert claude.raw_bytes < ERROR_BYTES + 8 * MB


def test_a_header_without_an_end_is_no_answer(claude: AnthropicStandIn) -> None:
    error = failed(claude, endless("header"))

    assert (error.kind, error.retryable, error.sent) == ("connection", True, True)
    assert claude.raw_bytes < 8 * MB


def test_hints_before_an_answer_that_never_comes_end_in_time(claude: AnthropicStandIn) -> None:
    hints = itertools.repeat(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)

    error = failed(claude, Raw(pieces=hints, head=next(hints)), answer_s=1.0)

    assert (error.kind, error.retryable, error.sent) == ("timeout", True, True)


def test_pings_that_drip_for_ever_end_with_the_time_of_an_answer(claude: AnthropicStandIn) -> None:
    error = failed(claude, endless("pings", gap_s=0.05), answer_s=1.0)

    assert (error.kind, error.retryable, error.sent) == ("timeout", True, True)


def test_a_packed_answer_is_refused_and_we_asked_for_none(claude: AnthropicStandIn) -> None:
    """A compressed kilobyte may expand to a megabyte."""
    head = b"HTTP/1.1 %d OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n\r\n"
    packed = gzip.compress(b": nothing\n" * 1_000_000)

    error = failed(claude, Raw(pieces=[packed], head=head % 200))

    assert (error.kind, claude.requests[0].headers["accept-encoding"]) == ("malformed", "identity")
    assert "gzip" in str(error)


def test_a_packed_error_is_an_error_without_words(claude: AnthropicStandIn) -> None:
    head = b"HTTP/1.1 529 Busy\r\ncontent-type: text/plain\r\ncontent-encoding: gzip\r\n\r\n"

    error = failed(claude, Raw(pieces=[gzip.compress(b"x" * 10_000_000)], head=head))

    assert (error.kind, error.sent) == ("overloaded", False)
    assert len(str(error)) < 200


def test_an_answer_that_is_no_stream_says_so(claude: AnthropicStandIn) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"

    error = failed(claude, Raw(pieces=[b'{"type": "message"}'], head=head))

    assert error.kind == "malformed"
    assert "It is not a stream of events but application/json" in str(error)


def test_a_stream_by_another_name_is_read(claude: AnthropicStandIn) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"
    pieces = [
        event("message_start", message={"id": "msg_1", "model": MODEL}),
        event("content_block_start", index=0, content_block=text("Hi.")),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 3}),
        event("message_stop"),
    ]

    assert play(claude, Raw(pieces=pieces, head=head)).content == [text("Hi.")]


@pytest.mark.parametrize(
    "answer",
    [
        message(text("word " * 800), usage={"output_tokens": TOKENS}),
        message(text("字" * TOKENS)),
        message(text(" " * 60 * TOKENS)),
        message(thinking("word " * 400), tool_use("write_file", {"content": "\0" * 10_000})),
    ],
    ids=["prose", "scripts", "spaces", "escapes"],
)
def test_what_fits_into_max_tokens_is_not_cut(claude: AnthropicStandIn, answer: Message) -> None:
    assert [block["type"] for block in play(claude, answer).content] == [b["type"] for b in answer.content]


def test_the_next_call_goes_well_after_one_that_was_cut(claude: AnthropicStandIn) -> None:
    claude.answer(endless("text"), message(text("Hi.")))
    runtime = AnthropicRuntime(api_key="key", base_url=claude.url)
    asked = request(messages=[user("Hello")], model=MODEL, max_tokens=TOKENS)

    async def calls() -> Turn:
        with pytest.raises(ModelError):
            await runtime.next_turn(asked, lambda piece: None)
        return await runtime.next_turn(asked, lambda piece: None)

    assert asyncio.run(calls()).content == [text("Hi.")]
