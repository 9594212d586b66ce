"""Rows and log lines as HTML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from unicodedata import category

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from tasks import events
from tasks.fragments.rows import Row

MAX_LOG_CHARS = 1000
MAX_TABLE_ROWS = 12
MAX_TABLE_COLUMNS = 12
UNSEEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
"""Unicode categories of control, direction and other characters that are invisible or misleading."""
WARNINGS = ("attempt.lost", "budget.warning", "budget.exhausted", "tool.unknown", "human.expired")


@dataclass(frozen=True, slots=True)
class Place:
    """Place of an event in the run."""

    seq: int
    at: str

    @classmethod
    def of(cls, frame: Mapping[str, Any]) -> Self:
        return cls(int(frame["seq"]), str(frame["at"]))


def draw(row: Row, place: Place, done: events.ToolFinished | None = None) -> SafeString:
    context: dict[str, Any] = {
        "row": row,
        "place": place,
        "id": row.key or f"e-{place.seq}",
        "done": done,
        **row.context,
    }
    if "call" in row.context:
        context["result"] = result_of(context["done"])
        context["arguments"] = arguments_of(getattr(context["call"], "arguments", None))
    return render_to_string(row.template, context)


@dataclass(frozen=True, slots=True)
class Argument:
    """Argument of a tool call as people read it. Texts stay as they are, anything else is JSON."""

    name: str
    value: str
    is_long: bool


def arguments_of(values: Mapping[str, Any] | None) -> list[Argument]:
    return [argument_of(str(name), value) for name, value in (values or {}).items()]


def argument_of(name: str, value: Any) -> Argument:
    text = (
        value
        if isinstance(value, str)
        else json.dumps(value, ensure_ascii=False, indent=2 if _is_deep(value) else None)
    )
    shown = visible(text)
    return Argument(visible(name), shown, "\n" in shown or len(shown) > 90)


def _is_deep(value: Any) -> bool:
    return isinstance(value, dict | list) and len(json.dumps(value)) > 80


def visible(text: str) -> str:
    """Write out every invisible character: an approval must not hide anything."""
    return "".join(f"\\u{ord(c):04x}" if is_unseen(c) else c for c in text)


def is_unseen(char: str) -> bool:
    """Return True if the character is invisible or misleading."""
    return char not in "\n\t" and category(char) in UNSEEN


def result_of(done: events.ToolFinished | None) -> dict[str, Any]:
    """Return the result of a finished call as a table, if it has one.

    Otherwise it is the start of what the model read.
    """
    if done is None:
        return {}
    columns, rows = done.payload.get("columns"), done.payload.get("rows")
    if not isinstance(columns, list) or not isinstance(rows, list) or not columns:
        return {"preview": done.preview}
    shown = [
        [_cell(value) for value in row[:MAX_TABLE_COLUMNS]] for row in rows[:MAX_TABLE_ROWS] if isinstance(row, list)
    ]
    count = done.payload.get("row_count")
    total = count if isinstance(count, int) else len(rows)
    return {
        "columns": columns[:MAX_TABLE_COLUMNS],
        "rows": shown,
        "rows_left": max(total - len(shown), 0),
        "columns_left": max(len(columns) - MAX_TABLE_COLUMNS, 0),
        "notes": [note for note in done.payload.get("notes") or [] if isinstance(note, str)],
        "chart": [path for path in done.payload.get("files") or [] if isinstance(path, str)],
    }


def _cell(value: Any) -> dict[str, Any]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = f"{value:,.12g}" if isinstance(value, float) else "" if value is None else str(value)
    return {"text": text, "is_number": is_number}


def draw_log(frame: Mapping[str, Any], event: events.Event | None) -> SafeString:
    """Return the event's log line, with all its data."""
    said = " ".join(
        f"{name}={_short(value)}" for name, value in frame["data"].items() if value not in (None, "", {}, [])
    )
    text = said if len(said) <= MAX_LOG_CHARS else f"{said[:MAX_LOG_CHARS]}…"
    context = {"place": Place.of(frame), "type": frame["type"], "text": text, "level": _level(frame["type"], event)}
    return render_to_string("tasks/_log_line.html", context)


def _short(value: Any) -> str:
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value, ensure_ascii=False)


def _level(type_: str, event: events.Event | None) -> str:
    match event:
        case events.Error() | events.RunFinished(status="failed") | events.ToolFinished(is_error=True):
            return "error"
        case events.Log(level=level) if level in ("warn", "error"):
            return level
    return "warn" if type_ in WARNINGS else ""
