"""Stored events of a run as lines of its page. The newest page comes first, older ones on demand."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from tasks import fragments
from tasks.frames import frame_of
from tasks.models import Run

PAGE = 400
"""Events on a page."""


@dataclass(frozen=True, slots=True)
class History:
    """Page of lines, oldest first."""

    lines: Sequence[SafeString]
    first_seq: int
    """First event of the page; 1 when there is nothing older."""


def frames_after(run: Run, *, after: int, limit: int = PAGE) -> list[dict[str, Any]]:
    return [frame_of(event) for event in run.events.filter(seq__gt=after).order_by("seq")[:limit]]


def activity(run: Run, *, before: int) -> History:
    """Return the lines of the newest events below `before`. A tool call is one line, on the page where it ended."""
    newest = run.events.filter(seq__lt=before).order_by("-seq")[:PAGE]
    frames = [frame_of(event) for event in reversed(newest)]
    starts, ends = _calls(frames, "tool.started"), _calls(frames, "tool.finished")
    older = _elsewhere(run, "tool.started", ends.keys() - starts.keys(), before=before)
    later = _elsewhere(run, "tool.finished", starts.keys() - ends.keys(), before=None)
    lines: dict[str, SafeString] = {}
    for frame in frames:
        call_id = str(frame["data"].get("call_id", ""))
        if frame["type"] == "tool.started":
            line = None if call_id in later else fragments.row_html(frame, ends.get(call_id))
        elif frame["type"] == "tool.finished":
            line = None if call_id in starts else fragments.row_html(older.get(call_id, frame), frame)
        else:
            line = fragments.row_html(frame)
        if line:
            lines[line[0]] = line[1]
    return History(list(lines.values()), frames[0]["seq"] if frames else 1)


def _calls(frames: Sequence[dict[str, Any]], type_: str) -> dict[str, dict[str, Any]]:
    return {str(frame["data"].get("call_id", "")): frame for frame in frames if frame["type"] == type_}


def _elsewhere(run: Run, type_: str, call_ids: Set[str], *, before: int | None) -> dict[str, dict[str, Any]]:
    """Return the other ends of calls that cross the border of the page, by call id."""
    if not call_ids:
        return {}
    found = run.events.filter(type=type_, data__call_id__in=list(call_ids)).order_by("seq")
    return {
        str(event.data["call_id"]): frame_of(event) for event in (found.filter(seq__lt=before) if before else found)
    }
