"""Scripts for measuring and for breaking: a fixed number of turns, each but the last with one tool call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agents.runtimes.demo.replay import Call, Desk, Move, Script

SCRIPTS = ("bench", "slow")
TURNS = 5


def script(desk: Desk) -> Script:
    """`turns` turns. The call of each is `report_progress`, or else the first tool by name that needs no argument."""
    turns = int(desk.options.get("turns", TURNS))
    for done in range(1, turns):
        yield Move(f"Step {done} of {turns}.", [_call(desk, done, turns)])
    while True:
        yield Move(f"All {turns} steps are done.")


def pause_s(options: Mapping[str, Any]) -> float:
    """How long the script waits before a turn."""
    return float(options.get("delay_s", 1.0)) if options.get("script") == "slow" else 0.0


def _call(desk: Desk, done: int, turns: int) -> Call:
    if desk.has("report_progress"):
        return Call("report_progress", {"done": done, "total": turns, "label": f"Step {done}"})
    return Call("list_files", {})
