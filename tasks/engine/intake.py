"""Intake of model responses: the values that a run stores, shows and sends back.

Every runtime's response passes here before any of it is hashed, shown or stored: memory and the database hold the same
values, ids are unique in the run, and names and ids are ones that the provider accepts back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from accounts import strict_json
from agents.runtimes.base import Block

INVALID = "INVALID_JSON"
"""Field in which arguments that are no JSON object go back to the model, as its provider recommends."""
MAX_SHOWN = 2000
"""Characters of such arguments that are kept."""
MAX_NAME = 64
_NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_NAME}}}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Intake:
    """Response after its intake."""

    content: list[Block]
    problems: dict[str, str] = field(default_factory=dict)
    """Reasons, worded for the model, why tool calls cannot be carried out; by call id."""
    provider_ids: dict[str, str] = field(default_factory=dict)
    """Ids of the provider that could not be used, by our call id."""

    def notes(self) -> dict[str, Any]:
        """Return what the step stores besides the content."""
        notes = {"problems": self.problems, "provider_ids": self.provider_ids}
        return {name: value for name, value in notes.items() if value}


def take_in(content: Sequence[Block], *, step: int, taken: AbstractSet[str]) -> Intake:
    """Normalise the blocks of the response that becomes that step. `taken` are the ids of earlier calls of the run."""
    found = Intake([])
    used = set(taken)
    for number, block in enumerate(content, 1):
        if block.get("type") != "tool_use":
            found.content.append(strict_json.storable(block))
            continue
        given = block.get("id")
        call_id = _own_id(given, f"call_{step}_{number}", used)
        used.add(call_id)
        name, problem = _name(block.get("name"))
        arguments, unreadable = _arguments(block.get("input"))
        rest = strict_json.storable({key: value for key, value in block.items() if key != "input"})
        found.content.append({**rest, "id": call_id, "name": name, "input": arguments})
        if call_id != given and given:
            found.provider_ids[call_id] = strict_json.clean_text(str(given))[:MAX_NAME]
        if problem or unreadable:
            found.problems[call_id] = problem or _unreadable(name, unreadable)
    return found


def without_repeats(content: Sequence[Block]) -> list[Block]:
    """Return the blocks of a stored response without repeated call ids.

    Only old rows have those; the first call was carried out.
    """
    seen: set[str] = set()
    kept = []
    for block in content:
        if block.get("type") == "tool_use":
            if block["id"] in seen:
                continue
            seen.add(block["id"])
        kept.append(block)
    return kept


def _own_id(given: object, own: str, used: AbstractSet[str]) -> str:
    """Return the provider's id if it is valid and unique, else one of ours."""
    if isinstance(given, str) and _NAME.fullmatch(given) and given not in used:
        return given
    names = (own, *(f"{own}_{n}" for n in range(len(used) + 1)))
    return next(name for name in names if name not in used)


def _name(given: object) -> tuple[str, str]:
    """Return a name that the provider accepts back, and what is wrong with the given one."""
    said = given if isinstance(given, str) else ""
    if _NAME.fullmatch(said):
        return said, ""
    shown = strict_json.clean_text(said)[:MAX_NAME]
    return _NOT_IN_NAMES.sub("_", said[:MAX_NAME]) or "unnamed", no_tool(shown)


def tool_gone(name: str) -> str:
    """Return what the model is told about a tool that it was given and that does not exist any more."""
    return f"The tool {name!r} does not exist any more, so the call was not made. Go on without it, or say so."


def no_tool(name: str) -> str:
    """Return the message for the model about a tool that it does not have."""
    return f"There is no tool named {name!r} here. Use one of the tools that you were given."


def _arguments(given: object) -> tuple[dict[str, Any], str]:
    """Return normalised arguments, and why the given ones could not be read."""
    shown = given
    try:
        value = strict_json.loads(given) if isinstance(given, str) else strict_json.normalise(given or {})
        if isinstance(value, Mapping):
            return dict(value), ""
        why = "They are not a JSON object."
    except strict_json.NotStorable as error:
        why = str(error)
    if not isinstance(shown, str):
        shown = json.dumps(strict_json.storable(shown), ensure_ascii=False)
    return {INVALID: strict_json.clean_text(shown[:MAX_SHOWN])}, why


def _unreadable(name: str, why: str) -> str:
    return (
        f"The arguments of {name} could not be read, so nothing was done. {why} "
        "Send the call again with its arguments as one JSON object."
    )
