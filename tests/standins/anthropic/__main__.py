"""Command that runs the stand-in. It plays conversations of a number of turns, each but the last with a tool call."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

from tests.standins.anthropic import Answer, AnthropicStandIn, message, serve_for_ever, text, tool_use


def conversation(turns: int, delay_s: float) -> Callable[[Mapping[str, Any]], Answer]:
    """Return a function that plays a conversation.

    It reads its place from the messages alone, so that any number of runs can play at once.
    """

    def answer(body: Mapping[str, Any]) -> Answer:
        done = 1 + sum(1 for each in body["messages"] if each["role"] == "assistant")
        names = [tool["name"] for tool in body.get("tools", [])]
        if done >= turns or not names:
            return message(text(f"All {turns} steps are done."), delay_s=delay_s)
        name = "report_progress" if "report_progress" in names else "list_files"
        arguments = {"done": done, "total": turns, "label": f"Step {done}"} if name == "report_progress" else {}
        return message(text(f"Step {done} of {turns}."), tool_use(name, arguments), delay_s=delay_s)

    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--delay-ms", type=float, default=0)
    options = parser.parse_args()
    play = conversation(options.turns, options.delay_ms / 1000)
    stand_in = AnthropicStandIn(otherwise=play, port=options.port, keep=0)
    print(stand_in.url, flush=True)
    serve_for_ever(stand_in)


if __name__ == "__main__":
    main()
