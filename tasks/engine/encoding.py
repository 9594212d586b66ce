"""Encoding of a Commit as the JSON that sql.APPLY reads. Empty fields are left out, which are most."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from accounts import strict_json
from tasks.engine.commits import Commit
from tasks.models import TERMINAL

_ENCODER = json.JSONEncoder(
    default=str, ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
)
_LISTS = ("usage", "requests", "artifacts", "settle")
_VALUES = ("status", "waiting_kind", "start_at", "error_code", "error_detail", "progress", "turns", "active_s")
_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")


def encode(op: Commit) -> str:
    shape: dict[str, Any] = {"run": op.run_id, "epoch": op.epoch, "commit_no": op.commit_no}
    if op.events:
        shape["events"] = [{"type": event.type, "data": event.data()} for event in op.events]
        shape["n_events"] = len(op.events)
    if op.steps:
        shape["steps"] = [fields_of(step) for step in op.steps.values()]
    for name in _LISTS:
        if rows := getattr(op, name):
            shape[name] = [fields_of(row) for row in rows]
    for name in _VALUES:
        if value := getattr(op, name):
            shape[name] = value
    if op.read_message_seq is not None:
        shape["read_message_seq"] = op.read_message_seq
    if op.output is not None:
        shape["output"] = op.output
    if op.status in TERMINAL:
        shape["is_terminal"] = True
    if charged := [usage for usage in op.usage if usage.outcome == "charged"]:
        shape |= {name: sum(getattr(usage, name) for usage in charged) for name in _TOKENS}
        shape["cost_usd"] = sum((usage.cost_usd for usage in charged), Decimal(0))
    return _written(shape)


def fields_of(row: Any) -> dict[str, Any]:
    """Return the fields of a slotted dataclass without copying their values."""
    return {name: getattr(row, name) for name in row.__slots__}


def _written(shape: dict[str, Any]) -> str:
    """Encode a Commit. Steps are normalised when they are written; other texts are normalised only if they need it."""
    try:
        text = _ENCODER.encode(shape)
        text.encode()
    except (ValueError, TypeError, RecursionError):
        return _ENCODER.encode(strict_json.storable(shape))
    return _ENCODER.encode(strict_json.storable(shape)) if "\\u0000" in text else text
