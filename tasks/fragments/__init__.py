"""HTML fragments of live frames, which the run page swaps in.

Pure functions of a frame, without the database. A fragment is a row of `<template data-target="…" data-swap="…">`
blocks that static/dist/js/run-apply.js applies. The page itself is made of the same partials, so a watched page and a
reloaded one look the same.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from django.utils.safestring import SafeString

from tasks import events
from tasks.fragments.blocks import block, blocks_of, now_of, plan_html, progress_segs, step_html
from tasks.fragments.lines import Place, draw, draw_log
from tasks.fragments.rows import file_icon, is_image, row_of

log = logging.getLogger(__name__)

__all__ = [
    "Place",
    "event_of",
    "file_icon",
    "is_image",
    "log_line",
    "now_html",
    "plan_html",
    "progress_segs",
    "render",
    "row_html",
    "step_html",
]


def render(frame: Mapping[str, Any]) -> str:
    """Return the fragment of one frame, or "" for a frame that the page does not show."""
    if frame.get("kind") != "event":
        return ""
    event, place = event_of(frame), Place.of(frame)
    parts = [block("run-log", "append", draw_log(frame, event)), block("run-seq", "text", str(place.seq))]
    if event is not None:
        parts += blocks_of(event)
        if now := now_of(event):
            parts.append(block("run-now", "inner", now))
        if row := row_of(event):
            unless = row.key if isinstance(event, events.ToolFinished) else ""
            parts.append(block("run-activity", "append", draw(row, place), unless=unless))
    return "".join(parts)


def event_of(frame: Mapping[str, Any]) -> events.Event | None:
    """Return the typed event, or None for one that another version of Deskhand wrote."""
    try:
        return events.parse(frame["type"], frame["data"])
    except (KeyError, TypeError):
        log.warning("event %s of run %s is not understood", frame.get("seq"), frame.get("run"))
        return None


def row_html(frame: Mapping[str, Any], finished: Mapping[str, Any] | None = None) -> tuple[str, SafeString] | None:
    """Return the key and the HTML of the frame's activity line.

    None if it has no line. `finished` is the frame that ended the tool call which `frame` started.
    """
    event = event_of(frame)
    row = row_of(event) if event else None
    if row is None:
        return None
    place = Place.of(frame)
    ended = event_of(finished) if finished else None
    return row.key or f"e-{place.seq}", draw(row, place, ended if isinstance(ended, events.ToolFinished) else None)


def log_line(frame: Mapping[str, Any]) -> SafeString:
    """Return the frame's line in the log."""
    return draw_log(frame, event_of(frame))


def now_html(frame: Mapping[str, Any]) -> SafeString | None:
    """Return the agent's present activity by this frame, or None."""
    event = event_of(frame)
    return now_of(event) if event else None
