"""Frames of the live stream from stored events."""

from __future__ import annotations

from typing import Any

from tasks.models import RunEvent


def frame_of(event: RunEvent) -> dict[str, Any]:
    """Return the frame that the live view sends for a stored event."""
    at = event.at.isoformat().replace("+00:00", "Z")
    return {
        "kind": "event",
        "run": str(event.run_id),
        "seq": event.seq,
        "type": event.type,
        "at": at,
        "data": event.data,
    }


def public(frame: dict[str, Any]) -> dict[str, Any]:
    """Return the frame for people outside the team, without names of our machines."""
    if "worker" not in frame.get("data", {}):
        return frame
    return frame | {"data": {name: value for name, value in frame["data"].items() if name != "worker"} | {"worker": ""}}
