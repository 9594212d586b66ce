"""Replay of the demo runtime: its next turn follows from the conversation alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from agents.runtimes.base import Stop, Turn
from agents.runtimes.demo import DemoRuntime
from tests.agents.playing import Answer, play, request, text_of, user


def fine(tool: str, arguments: Mapping[str, Any]) -> Answer:
    return "ok", False


def next_turn(**asked: Any) -> Turn:
    return asyncio.run(DemoRuntime().next_turn(request(**asked), lambda piece: None))


def test_bench_is_five_turns_and_four_calls() -> None:
    done = play(DemoRuntime(), "Go", tools=["report_progress"], answer=fine, options={"script": "bench"})

    assert [turn.stop for turn in done.turns] == [Stop.TOOL_USE] * 4 + [Stop.END_TURN]
    assert [arguments["done"] for arguments in done.used("report_progress")] == [1, 2, 3, 4]
    assert len({turn.provider_message_id for turn in done.turns}) == 5
    assert all(turn.cost_usd == 0 and turn.usage.input_tokens and turn.usage.output_tokens for turn in done.turns)


@pytest.mark.parametrize(
    ("options", "usd"),
    [
        ({"script": "bench", "turn_cost_usd": 0.002}, "0.002"),
        ({"script": "slow", "delay_s": 0, "turn_cost_usd": 1}, "1"),
        ({"turn_cost_usd": 0.5}, "0"),
        *(
            ({"script": "bench", "turn_cost_usd": wrong}, "0")
            for wrong in (-0.1, 1.1, "1", True, None, [], float("nan"))
        ),
    ],
)
def test_a_turn_of_a_script_costs_what_the_options_say(options: dict[str, Any], usd: str) -> None:
    asked = request(messages=[user("Go")], options=options)

    assert DemoRuntime().worst_case_usd(asked) == Decimal(usd)
    assert next_turn(messages=[user("Go")], options=options).cost_usd == Decimal(usd)


def test_another_process_continues_with_the_same_turn() -> None:
    done = play(DemoRuntime(), "Go", tools=["list_files"], answer=fine, options={"script": "bench"})

    for number, turn in enumerate(done.turns):
        before = done.messages[: 2 * number + 1]
        again = next_turn(messages=before, tools=["list_files"], step_key=f"turn-{number}", options={"script": "bench"})
        assert again == turn


def test_slow_waits_before_each_turn() -> None:
    began = time.monotonic()

    next_turn(messages=[user("Go")], options={"script": "slow", "delay_s": 0.2})

    assert time.monotonic() - began >= 0.2


def test_text_comes_in_small_pieces_within_a_second() -> None:
    pieces: list[str] = []
    asked = request(
        messages=[user("Summarise the attached notes for the team, please.")], tools=["list_files", "read_file"]
    )
    began = time.monotonic()

    turn = asyncio.run(DemoRuntime(delay_ms=4000).next_turn(asked, pieces.append))

    assert time.monotonic() - began < 5
    assert len(pieces) > 5
    assert "".join(pieces) == text_of(turn)


def test_a_turn_of_another_model_is_passed_over() -> None:
    foreign = [
        user("Summarise the attached notes for the team, please."),
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "run_python", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "3"}]},
    ]

    turn = next_turn(messages=foreign, tools=["list_files", "read_file", "write_file"])

    assert [block["name"] for block in turn.content if block["type"] == "tool_use"] == ["list_files"]


def test_the_next_words_after_another_answer_are_a_new_job() -> None:
    chat = [
        user("Hello there"),
        {"role": "assistant", "content": "Hi."},
        user(
            "Write it down. We open at eight on weekdays. On Sundays the shop stays closed. In May we are on holiday."
        ),
    ]

    turn = next_turn(messages=chat, tools=["write_file"])

    assert "On Sundays the shop stays closed." in turn.content[1]["input"]["content"]
