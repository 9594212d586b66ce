"""Rendering of tables for the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tools.text import clean

_MAX_CELL = 300
"""Characters of a cell for the model."""


def markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a compact Markdown table."""
    lines = ["| " + " | ".join(map(_cell, columns)) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "NULL"
    if value == "NULL":
        return "'NULL'"  # the text NULL, not a missing value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.15g}"
    text = clean(str(value)).replace("\\", "\\\\").replace("|", "\\|").replace("\n", "\\n")
    return text if len(text) <= _MAX_CELL else text[:_MAX_CELL] + "…"
