"""Stored events as frames of the live stream."""

from __future__ import annotations

from typing import Any

from tasks.models import RunEvent


def frame_of(event: RunEvent) -> dict[str, Any]:
    """The frame that the live view would send for a stored event."""
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
    """The frame for people outside the team: without the names of our machines."""
    if "worker" not in frame.get("data", {}):
        return frame
    return frame | {"data": {name: value for name, value in frame["data"].items() if name != "worker"} | {"worker": ""}}
