"""Failures of calls: each becomes a ModelError that says whether to retry and whether it may be billed."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest

from agents.runtimes.anthropic import AnthropicRuntime
from agents.runtimes.base import ModelError
from tests.agents.playing import request, user
from tests.standins.anthropic import (
    BROKEN,
    OVERLOADED,
    RATE_LIMITED,
    Answer,
    AnthropicStandIn,
    Broken,
    Message,
    Raw,
    Refused,
    event,
    message,
    text,
    tool_use,
)  # fmt: skip
from tests.standins.blackhole import blackhole
from tests.timeouts import PATIENCE_S

MODEL = "claude-sonnet-5-5"


@pytest.fixture
def claude() -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn() as stand_in:
        yield stand_in


def asked(runtime: AnthropicRuntime, *, model: str = MODEL) -> ModelError:
    """Return the error of one call."""

    async def call() -> None:
        await runtime.next_turn(request(messages=[user("Hello")], model=model), lambda piece: None)

    with pytest.raises(ModelError) as caught:
        asyncio.run(call())
    return caught.value


def failed(claude: AnthropicStandIn, answer: Answer, *, answer_s: float = 30.0, silence_s: float = 10.0) -> ModelError:
    """Return the error of a call with that answer; the call is made once and never repeated."""
    claude.answer(answer)
    error = asked(AnthropicRuntime(api_key="key", base_url=claude.url, answer_s=answer_s, silence_s=silence_s))
    assert claude.count == 1
    return error


def summary(error: ModelError) -> tuple[str, bool, bool]:
    return error.kind, error.retryable, error.sent


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (RATE_LIMITED, ("rate_limit", True, False)),
        (OVERLOADED, ("overloaded", True, False)),
        (BROKEN, ("server", True, True)),
        (Refused(status=504, type="timeout_error"), ("timeout", True, True)),
        (Refused(status=400, type="invalid_request_error"), ("bad_request", False, False)),
        (Refused(status=413, type="request_too_large"), ("bad_request", False, False)),
        (Refused(status=401, type="authentication_error"), ("auth", False, False)),
        (Refused(status=403, type="permission_error"), ("auth", False, False)),
        (Refused(status=402, type="billing_error"), ("billing", False, False)),
        (Refused(status=404, type="not_found_error"), ("not_found", False, False)),
        (Refused(status=502, type="from_a_proxy"), ("server", True, True)),
        (Refused(status=503, type="from_a_proxy"), ("overloaded", True, False)),
        (Refused(status=418, type="from_a_proxy"), ("bad_request", False, False)),
    ],
)
def test_refusals_by_kind(claude: AnthropicStandIn, refused: Refused, expected: tuple[str, bool, bool]) -> None:
    assert summary(failed(claude, refused)) == expected


def test_the_error_names_what_was_said_and_the_request(claude: AnthropicStandIn) -> None:
    error = failed(
        claude, Refused(status=529, type="overloaded_error", words="Overloaded", headers={"request-id": "req_7"})
    )

    assert str(error) == "The model provider is overloaded. It said: Overloaded (request req_7)"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "999999999"}, 86_400.0),
        ({}, None),
    ],
)
def test_retry_after(claude: AnthropicStandIn, headers: dict[str, str], seconds: float | None) -> None:
    assert failed(claude, Refused(status=429, type="rate_limit_error", headers=headers)).retry_after_s == seconds


def test_retry_after_as_a_date(claude: AnthropicStandIn) -> None:
    headers = {"retry-after": formatdate(time.time() + 30, usegmt=True)}

    wait = failed(claude, Refused(status=429, type="rate_limit_error", headers=headers)).retry_after_s

    assert wait is not None
    assert 25 < wait <= 30


@pytest.mark.parametrize(("header", "retryable"), [("true", True), ("false", False)])
def test_the_provider_says_whether_to_retry(claude: AnthropicStandIn, header: str, retryable: bool) -> None:
    status, kind = (400, "invalid_request_error") if retryable else (529, "overloaded_error")

    error = failed(claude, Refused(status=status, type=kind, headers={"x-should-retry": header}))

    assert error.retryable is retryable


def broken(how: str, **options: float | int | str) -> Broken:
    return Broken(message=message(text("Half of this sentence arrives.")), how=how, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("reset", ("connection", True, True)),
        ("close", ("connection", True, True)),
        ("error", ("overloaded", True, True)),
        ("garbage", ("malformed", True, True)),
        ("hang", ("timeout", True, True)),
    ],
)
def test_what_breaks_in_the_middle_keeps_the_text_so_far(
    claude: AnthropicStandIn, how: str, expected: tuple[str, bool, bool]
) -> None:
    error = failed(claude, broken(how, after=5), silence_s=1.5 if how == "hang" else 10.0)

    assert summary(error) == expected
    assert error.partial == "Half of this sentence ar"
    assert claude.finished == []


@pytest.mark.parametrize(
    ("error_type", "expected"),
    [
        ("rate_limit_error", ("rate_limit", True, True)),
        ("api_error", ("server", True, True)),
        ("invalid_request_error", ("bad_request", False, True)),
        ("never_heard_of", ("server", True, True)),
    ],
)
def test_an_error_inside_a_200_counts_by_its_type(
    claude: AnthropicStandIn, error_type: str, expected: tuple[str, bool, bool]
) -> None:
    assert summary(failed(claude, broken("error", after=5, error_type=error_type))) == expected


def test_no_answer_at_all_ends_after_the_silence(claude: AnthropicStandIn) -> None:
    began = time.monotonic()

    error = failed(claude, broken("hang"), silence_s=0.3)

    assert summary(error) == ("timeout", True, True)
    assert time.monotonic() - began < 25


def test_bytes_that_drip_are_silence(claude: AnthropicStandIn) -> None:
    began = time.monotonic()

    error = failed(claude, broken("drip", after=3, every_s=0.02), silence_s=0.4)

    assert summary(error) == ("timeout", True, True)
    assert time.monotonic() - began < 25


def test_events_that_never_end_are_cut_at_the_whole_time(claude: AnthropicStandIn) -> None:
    endless = Message(content=[text("word " * 2000)], gap_s=0.05)
    began = time.monotonic()

    error = failed(claude, endless, answer_s=1.0, silence_s=0.5)

    assert summary(error) == ("timeout", True, True)
    assert error.partial.startswith("word word")
    assert time.monotonic() - began < 60


def test_nobody_listens(claude: AnthropicStandIn) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    error = asked(AnthropicRuntime(api_key="key", base_url=f"http://127.0.0.1:{port}"))

    assert summary(error) == ("connection", True, False)


def test_packets_that_are_dropped_were_not_sent() -> None:
    """A dropped first packet means that the call is retried and nobody pays for it."""
    with blackhole() as port:
        error = asked(AnthropicRuntime(api_key="key", base_url=f"http://127.0.0.1:{port}", connect_s=0.3))

    assert summary(error) == ("connection", True, False)


def test_without_a_key_nothing_is_sent(claude: AnthropicStandIn) -> None:
    error = asked(AnthropicRuntime(api_key="", base_url=claude.url))

    assert summary(error) == ("auth", False, False)
    assert "ANTHROPIC_API_KEY" in str(error)
    assert claude.count == 0


def test_a_model_without_a_price_is_not_called(claude: AnthropicStandIn) -> None:
    error = asked(AnthropicRuntime(api_key="key", base_url=claude.url), model="claude-unheard-of")

    assert summary(error) == ("not_found", False, False)
    assert claude.count == 0


def test_a_wrong_key_is_an_auth_error() -> None:
    with AnthropicStandIn(key="right") as claude:
        error = asked(AnthropicRuntime(api_key="wrong", base_url=claude.url))

    assert summary(error) == ("auth", False, False)
    assert "wrong" not in str(error)


def test_a_prompt_that_is_too_long_says_so() -> None:
    with AnthropicStandIn(context_tokens=10) as claude:
        error = asked(AnthropicRuntime(api_key="key", base_url=claude.url))

    assert summary(error) == ("bad_request", False, False)
    assert "prompt is too long" in str(error)


@pytest.mark.parametrize(
    "written", ['{"pattern": ', '{"limit": NaN}', '{"limit": 1e999}', '{"a": ' + "[" * 20_000, '["a"]']
)
def test_arguments_that_cannot_be_read_come_as_they_were_written(claude: AnthropicStandIn, written: str) -> None:
    """The engine reports the bad arguments to the model; the answer is paid like any other."""
    claude.answer(message(text("I look."), tool_use("list_files", id="toolu_1", written=written)))

    turn = asyncio.run(
        AnthropicRuntime(api_key="key", base_url=claude.url).next_turn(
            request(messages=[user("Hi")], model=MODEL), lambda piece: None
        )
    )

    assert turn.content == [
        text("I look."),
        {"type": "tool_use", "id": "toolu_1", "name": "list_files", "input": written},
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "text", "text": 5},
        {"type": "thinking", "thinking": ["x"]},
        {"type": 3},
        {"no": "type"},
        "text",
    ],
)
def test_blocks_that_are_none_are_malformed(claude: AnthropicStandIn, wrong: Any) -> None:
    pieces = [event("message_start", message={"id": "m"}), event("content_block_start", index=0, content_block=wrong)]

    assert summary(failed(claude, Raw(pieces=pieces))) == ("malformed", True, True)


def test_a_cancelled_call_lets_go_of_its_connection(claude: AnthropicStandIn) -> None:
    claude.answer(broken("hang", after=4))
    runtime = AnthropicRuntime(api_key="key", base_url=claude.url)

    async def call() -> None:
        speaks = asyncio.Event()
        turn = runtime.next_turn(request(messages=[user("Hi")], model=MODEL), lambda piece: speaks.set())
        task = asyncio.create_task(turn)
        await asyncio.wait_for(speaks.wait(), PATIENCE_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE_S)

    asyncio.run(call())

    assert claude.count == 1
