"""Anthropic runtime against a stand-in that speaks the wire format and refuses what the provider refuses."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.runtimes.anthropic import AnthropicRuntime
from agents.runtimes.anthropic.answer import Answer, Malformed
from agents.runtimes.base import Block, Stop, ToolDefinition, Turn, TurnRequest
from tests.agents.playing import play, user
from tests.standins.anthropic import AnthropicStandIn, message, text, thinking, tool_use

ROOT = Path(__file__).resolve().parents[2]
MODEL = "claude-sonnet-5-5"


@pytest.fixture
def claude() -> Iterator[AnthropicStandIn]:
    with AnthropicStandIn(key="key") as stand_in:
        yield stand_in


def runtime(claude: AnthropicStandIn) -> AnthropicRuntime:
    return AnthropicRuntime(api_key="key", base_url=claude.url)


def request(*messages: dict[str, Any], **options: Any) -> TurnRequest:
    return TurnRequest(
        run_id="run",
        step_key="step",
        model=MODEL,
        system="You are careful.",
        messages=messages or (user("Hello"),),
        tools=[
            ToolDefinition(name="list_files", description="List.", input_schema={"type": "object"}),
            ToolDefinition(name="query_table", description="Ask.", input_schema={"type": "object"}),
        ],
        max_tokens=1000,
        options=options,
    )


def assistant(content: Sequence[Block]) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


async def turn(claude: AnthropicStandIn, *messages: dict[str, Any], **options: Any) -> Turn:
    return await runtime(claude).next_turn(request(*messages, **options), lambda piece: None)


async def test_text_is_streamed_and_returned_whole(claude: AnthropicStandIn) -> None:
    claude.answer(message(text("Grüße aus dem Norden, with “quotes” and 日本語.")))
    pieces: list[str] = []

    done = await runtime(claude).next_turn(request(), pieces.append)

    assert "".join(pieces) == "Grüße aus dem Norden, with “quotes” and 日本語."
    assert len(pieces) > 2
    assert done.content == [{"type": "text", "text": "Grüße aus dem Norden, with “quotes” and 日本語."}]
    assert (done.stop, done.model) == (Stop.END_TURN, MODEL)
    assert done.provider_message_id == claude.finished[0]


@pytest.mark.promise("G21")
def test_halves_of_a_character_that_come_apart_are_one() -> None:
    """A gateway may cut a text anywhere; viewers and stored text get whole characters."""
    pieces: list[str] = []
    answer = Answer(pieces.append)
    answer.take({"type": "message_start", "message": {"id": "msg_1", "model": MODEL}})
    answer.take({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    for piece in ("Hello \ud83d", "\ude42!", "\ud83d", "x", "\0", "\ud83d"):
        answer.take({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}})

    assert answer.content() == [text("Hello 🙂!\ufffdx\ufffd\ufffd")]
    assert answer.text == "Hello 🙂!\ufffdx\ufffd\ufffd"
    assert "".join(pieces) == "Hello 🙂!\ufffdx\ufffd"


def test_what_a_later_delta_of_the_message_leaves_out_stays_as_it_was() -> None:
    answer = Answer(lambda piece: None)
    answer.take({"type": "message_start", "message": {"id": "msg_1", "model": MODEL, "usage": {"input_tokens": 9}}})
    answer.take({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Half an"}})
    end = {"stop_reason": "max_tokens", "stop_details": {"explanation": "Too long."}}
    answer.take({"type": "message_delta", "delta": end, "usage": {"output_tokens": 7}})
    answer.take({"type": "message_delta", "delta": {"stop_sequence": None}})
    answer.take({"type": "message_stop"})

    assert (answer.stop, answer.detail, answer.tokens().output) == (Stop.MAX_TOKENS, "Too long.", 7)


@pytest.mark.parametrize("thought", ["NUL \0", "half \ud83d"])
def test_thinking_that_cannot_be_kept_is_malformed(thought: str) -> None:
    """The signature covers exactly these characters: the provider would refuse repaired ones."""
    answer = Answer(lambda piece: None)
    answer.take({"type": "message_start", "message": {"id": "msg_1", "model": MODEL}})
    answer.take({"type": "content_block_start", "index": 0, "content_block": thinking(thought)})

    with pytest.raises(Malformed, match="cannot be passed back"):
        answer.content()


async def test_tool_calls_come_with_their_arguments(claude: AnthropicStandIn) -> None:
    first, second = tool_use("query_table", {"sql": 'SELECT "ü" FROM t'}), tool_use("list_files")
    claude.answer(message(text("I look."), first, second))

    done = await turn(claude)

    assert done.stop is Stop.TOOL_USE
    assert done.content == [text("I look."), first, second]


async def test_thinking_goes_back_untouched(claude: AnthropicStandIn) -> None:
    used = tool_use("list_files")
    thought = thinking("First the files, then the columns.")
    claude.answer(message(thought, text("I look."), used), message(text("Two files.")))
    first = await turn(claude)
    result = {"type": "tool_result", "tool_use_id": used["id"], "content": "a.csv", "is_error": False}

    again = await turn(
        claude,
        user("Hello"),
        assistant(first.content),
        {"role": "user", "content": [result]},
    )

    assert first.content[0] == thought
    assert claude.requests[1].body["messages"][1]["content"] == [thought, text("I look."), used]
    assert again.content == [text("Two files.")]


async def test_the_stand_in_refuses_changed_thinking(claude: AnthropicStandIn) -> None:
    """Precondition of the test above."""
    used = tool_use("list_files")
    claude.answer(message(thinking("One way."), used))
    first = await turn(claude)
    changed = [{**first.content[0], "thinking": "Another way."}, first.content[1]]
    result = {"type": "tool_result", "tool_use_id": used["id"], "content": "a.csv"}

    with pytest.raises(Exception, match="signature"):
        await turn(
            claude, user("Hello"), {"role": "assistant", "content": changed}, {"role": "user", "content": [result]}
        )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", Stop.END_TURN),
        ("stop_sequence", Stop.END_TURN),
        ("max_tokens", Stop.MAX_TOKENS),
        ("pause_turn", Stop.PAUSE_TURN),
        ("model_context_window_exceeded", Stop.CONTEXT_OVERFLOW),
        ("a_reason_of_next_year", Stop.END_TURN),
    ],
)
async def test_stop_reasons(claude: AnthropicStandIn, reason: str, stop: Stop) -> None:
    claude.answer(message(text("So far."), stop=reason))

    assert (await turn(claude)).stop is stop


async def test_a_refusal_says_why(claude: AnthropicStandIn) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "This could harm others."}
    claude.answer(message(stop="refusal", stop_details=details))

    done = await turn(claude)

    assert (done.stop, done.detail, done.content) == (Stop.REFUSAL, "This could harm others.", [])


async def test_a_tool_call_that_was_cut_off_is_dropped(claude: AnthropicStandIn) -> None:
    whole = tool_use("list_files")
    cut = tool_use("query_table") | {"partial": '{"sql": "SELECT'}
    claude.answer(message(text("I look."), whole, cut, stop="max_tokens"))

    done = await turn(claude)

    assert (done.stop, done.content) == (Stop.MAX_TOKENS, [text("I look."), whole])


async def test_thinking_that_was_cut_off_is_dropped_and_the_conversation_goes_on(claude: AnthropicStandIn) -> None:
    claude.answer(message(thinking("Hm") | {"signature": ""}, stop="max_tokens"), message(text("There.")))
    first = await turn(claude)

    again = await turn(claude, user("Hello"), assistant(first.content), user("Go on."))

    assert first.content == []
    assert [each["role"] for each in claude.requests[1].body["messages"]] == ["user", "user"]
    assert again.content == [text("There.")]


async def test_a_paused_turn_is_sent_again_as_it_is(claude: AnthropicStandIn) -> None:
    claude.answer(message(text("Half"), stop="pause_turn"), message(text("Whole")))
    first = await turn(claude)

    await turn(claude, user("Hello"), assistant(first.content))

    assert claude.requests[1].body["messages"][-1] == {"role": "assistant", "content": [text("Half")]}


async def test_the_request_is_cached_from_its_start(claude: AnthropicStandIn) -> None:
    await turn(claude, user("One"), {"role": "assistant", "content": "Two"}, user("Three"))

    body, cached = claude.requests[0].body, {"type": "ephemeral"}
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, cached]
    assert body["system"] == [{"type": "text", "text": "You are careful.", "cache_control": cached}]
    assert [each["content"][-1].get("cache_control") for each in body["messages"]] == [cached, None, cached]
    assert (body["stream"], body["max_tokens"]) == (True, 1000)
    assert claude.requests[0].headers["authorization"] == "Bearer key"


async def test_the_request_is_not_changed_by_sending_it(claude: AnthropicStandIn) -> None:
    conversation = [user("One"), {"role": "assistant", "content": [text("Two")]}, user("Three")]

    await turn(claude, *conversation)

    assert conversation == [user("One"), {"role": "assistant", "content": [text("Two")]}, user("Three")]


async def test_results_come_before_what_a_person_said_meanwhile(claude: AnthropicStandIn) -> None:
    one, two = tool_use("list_files"), tool_use("list_files")
    results = [{"type": "tool_result", "tool_use_id": used["id"], "content": "x"} for used in (one, two)]
    mixed = {"role": "user", "content": [results[0], text("Hurry."), results[1], text(" ")]}

    await turn(claude, user("Hello"), {"role": "assistant", "content": [one, two]}, mixed)

    sent = claude.requests[0].body["messages"][-1]["content"]
    assert [block["type"] for block in sent] == ["tool_result", "tool_result", "text"]


async def test_options_of_the_agent_go_along(claude: AnthropicStandIn) -> None:
    await turn(claude, thinking={"type": "adaptive"}, output_config={"effort": "low"}, max_tokens=9, allowed_hosts=[])

    body = claude.requests[0].body
    assert (body["thinking"], body["output_config"]) == ({"type": "adaptive"}, {"effort": "low"})
    assert "allowed_hosts" not in body
    assert body["max_tokens"] == 1000


async def test_usage_is_the_last_that_was_told_and_the_cost_exact(claude: AnthropicStandIn) -> None:
    usage = {
        "input_tokens": 1001,
        "cache_read_input_tokens": 20_003,
        "cache_creation_input_tokens": 4_007,
        "output_tokens": 333,
    }
    claude.answer(message(text("Done."), usage=usage))

    done = await turn(claude)

    assert (done.usage.input_tokens, done.usage.cache_read_tokens) == (1001, 20_003)
    assert (done.usage.cache_write_tokens, done.usage.output_tokens) == (4_007, 333)
    assert done.cost_usd == Decimal("0.017350")  # 0.002002 + 0.0020003 + 0.0100175 + 0.00333 = 0.0173498


async def test_what_a_call_costs_is_never_more_than_was_reserved(claude: AnthropicStandIn) -> None:
    claude.answer(message(text("word " * 700), usage={"output_tokens": 1000}))

    done = await turn(claude)

    assert 0 < done.cost_usd <= runtime(claude).worst_case_usd(request())


def test_a_whole_conversation_with_tools(claude: AnthropicStandIn) -> None:
    claude.answer(
        message(thinking("Files first."), tool_use("list_files")),
        message(text("Now the rows."), tool_use("query_table", {"sql": "SELECT 1"})),
        message(text("One row.")),
    )

    done = play(
        runtime(claude),
        "What is in it?",
        tools=["list_files", "query_table"],
        answer=lambda tool, arguments: ("ok", False),
        model=MODEL,
    )

    assert [tool for tool, _, _ in done.calls] == ["list_files", "query_table"]
    assert done.last_text == "One row."
    assert claude.count == 3


def test_every_event_loop_has_its_own_client(claude: AnthropicStandIn) -> None:
    shared = runtime(claude)

    for _ in range(2):
        assert asyncio.run(shared.next_turn(request(), lambda piece: None)).content == [text("Done.")]


async def test_many_turns_at_once_share_one_client(claude: AnthropicStandIn) -> None:
    shared = runtime(claude)
    claude.otherwise = message(text("Done."), delay_s=0.2)

    done = await asyncio.gather(*(shared.next_turn(request(), lambda piece: None) for _ in range(50)))

    assert len(done) == claude.count == 50


STARTED = """
import sys, django
django.setup()
from tasks import jobs
jobs.driver.get_driver = lambda: print("anthropic" in sys.modules)
jobs._start_driver()
"""


@pytest.mark.parametrize("key", ["", "sk-1"])
def test_a_worker_loads_the_client_before_its_first_run_or_never(key: str) -> None:
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "config.settings", "ANTHROPIC_API_KEY": key}

    done = subprocess.run([sys.executable, "-c", STARTED], cwd=ROOT, env=environment, capture_output=True, text=True)

    assert done.stdout.strip() == str(bool(key)), done.stderr
