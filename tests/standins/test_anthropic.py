"""Stand-in as a process of its own. The bench and the fault suite start it like this."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest

from agents.runtimes.anthropic import AnthropicRuntime
from agents.runtimes.base import ModelError
from tests.agents.playing import play
from tests.timeouts import PATIENCE_S

MODEL = "claude-haiku-4-5"


@pytest.fixture
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "tests.standins.anthropic", "--turns", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.kill()


def test_it_can_be_away_for_a_time(url: str) -> None:
    ask(f"{url}/__away", {"seconds": 0.3})

    with pytest.raises(urllib.error.URLError, match="refused"):
        ask(f"{url}/__log")
    while True:
        try:
            assert ask(f"{url}/__log")["requests"] == 0
            break
        except urllib.error.URLError:
            Event().wait(0.05)


def ask(address: str, body: object = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(address, data=data), timeout=PATIENCE_S) as answer:  # noqa: S310
        return json.load(answer)


def conversation(url: str) -> list[str]:
    done = play(
        AnthropicRuntime(api_key="any", base_url=url),
        "Go",
        tools=["report_progress"],
        answer=lambda tool, arguments: ("Shown.", False),
        model=MODEL,
    )
    assert (len(done.turns), len(done.calls)) == (5, 4)
    assert [arguments["done"] for arguments in done.used("report_progress")] == [1, 2, 3, 4]
    return [turn.provider_message_id for turn in done.turns]


def test_it_plays_any_number_of_conversations_and_logs_each_answer(url: str) -> None:
    told = conversation(url) + conversation(url)

    log = ask(f"{url}/__log")

    assert log == {"requests": 10, "finished": told}
    assert len(set(told)) == 10


def test_faults_can_be_planned_from_outside(url: str) -> None:
    assert ask(f"{url}/__plan", {"faults": ["overloaded"]}) == {"planned": 1}

    with pytest.raises(ModelError, match="overloaded"):
        conversation(url)

    assert len(conversation(url)) == 5
