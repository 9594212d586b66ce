"""Model of the storm, as a process of its own. Its answers depend on the prompt and the turn alone.

A prompt is `chaos <kind> <order>`; the faults are planned over its `/__plan`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.standins.anthropic import Answer, AnthropicStandIn, message, serve_for_ever, text, tool_use

Script = Callable[[str], Sequence[Sequence[tuple[str, Mapping[str, Any]]]]]
"""Function from the order to the tool calls of each turn; after the last turn comes the answer."""


def _progress(order: str, steps: int) -> list[list[tuple[str, Mapping[str, Any]]]]:
    return [[("report_progress", {"done": n, "total": steps, "label": f"{order}: {n}"})] for n in range(1, steps + 1)]


SCRIPTS: Mapping[str, Script] = {
    "plain": lambda order: [],
    "steps": lambda order: _progress(order, 4),
    "long": lambda order: _progress(order, 12),
    "slow": lambda order: _progress(order, 2),
    "chatter": lambda order: [[("chatter", {"words": 60})]],
    "files": lambda order: [
        [("write_file", {"path": "report.md", "content": f"# {order}\n" * 50})],
        [("write_file", {"path": "data/rows.csv", "content": "a,b\n" + f"{order},1\n" * 2000})],
        [("write_file", {"path": "report.md", "content": f"# {order}, corrected\n" * 50})],
    ],
    "deliver": lambda order: [[("deliver", {"order": order})]],
    "approve": lambda order: [[("deliver", {"order": order})], *_progress(order, 1)],
    "ask": lambda order: [[("ask_human", {"question": f"Which one for {order}?", "choices": ["left", "right"]})]],
    "costly": lambda order: _progress(order, 3),
    "poison": lambda order: [[("crash", {})]],
    "review": lambda order: _progress(order, 1),
    "later": lambda order: _progress(order, 1),
}
DELAYS_S = {"slow": 2.5, "steps": 0.2, "long": 0.5, "costly": 0.2}


def answer(body: Mapping[str, Any]) -> Answer:
    content = body["messages"][0]["content"]
    first = content if isinstance(content, str) else content[0]["text"]
    _, kind, order, *_ = first.split()
    turn = sum(1 for each in body["messages"] if each["role"] == "assistant")
    turns, delay = SCRIPTS[kind](order), DELAYS_S.get(kind, 0.05)
    if turn >= len(turns):
        return message(text(f"{order} is done after {turn + 1} turns."), delay_s=delay)
    return message(text(f"Turn {turn + 1}."), *(tool_use(*call) for call in turns[turn]), delay_s=delay)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    stand_in = AnthropicStandIn(otherwise=answer, port=parser.parse_args().port, keep=0)
    print(stand_in.url, flush=True)
    serve_for_ever(stand_in)


if __name__ == "__main__":
    main()
