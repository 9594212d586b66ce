"""Scripts for measurements and fault tests: a fixed number of turns, each but the last with one tool call."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from agents.runtimes.demo.replay import Call, Script, ScriptContext, ScriptedTurn

SCRIPTS = ("bench", "slow")
TURNS = 5


def script(context: ScriptContext) -> Script:
    """Script of `turns` turns. Each calls `report_progress`, or else the first tool that needs no argument."""
    turns = int(context.options.get("turns", TURNS))
    for done in range(1, turns):
        yield ScriptedTurn(f"Step {done} of {turns}.", [_call(context, done, turns)])
    while True:
        yield ScriptedTurn(f"All {turns} steps are done.")


def pause_s(options: Mapping[str, Any]) -> float:
    """Return the pause before a turn in seconds."""
    return float(options.get("delay_s", 1.0)) if options.get("script") == "slow" else 0.0


def turn_cost_usd(options: Mapping[str, Any]) -> Decimal:
    """Return what a turn of the scripts costs (`turn_cost_usd`, 0 to 1), so that ledger and budgets can be measured."""
    given = options.get("turn_cost_usd")
    is_price = options.get("script") in SCRIPTS and isinstance(given, int | float) and 0 <= given <= 1
    return Decimal(str(given)) if is_price and not isinstance(given, bool) else Decimal(0)


def _call(context: ScriptContext, done: int, turns: int) -> Call:
    if context.has("report_progress"):
        return Call("report_progress", {"done": done, "total": turns, "label": f"Step {done}"})
    return Call("list_files", {})
