"""OpenAPI schemas of all event types, read from the classes in `tasks/events.py`."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from inspect import cleandoc
from typing import Any

from tasks.events import EVENT_TYPES, Event
from tasks.models import RunStatus

EVENT_LIST = {
    "type": "object",
    "required": ["results", "last_seq", "run_status"],
    "properties": {
        "results": {"type": "array", "items": {"$ref": "#/components/schemas/Event"}},
        "last_seq": {"type": "integer"},
        "run_status": {"type": "string", "enum": [status.value for status in RunStatus]},
    },
    "additionalProperties": False,
}
STREAM = "/api/v1/runs/{run_id}/stream/"
STREAM_REFUSALS = {
    "400": "A parameter does not fit.",
    "401": "No valid key or session.",
    "404": "No such run in this team.",
    "429": "The caller reads too many streams already.",
    "503": "Try again later.",
}
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def add_events(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Add a component for each event type, and `Event` as one of them. Postprocessing hook of drf-spectacular."""
    components = result["components"]["schemas"]
    names = {type_: f"{cls.__name__}Event" for type_, cls in EVENT_TYPES.items()}
    for type_, cls in EVENT_TYPES.items():
        components[names[type_]] = _component(type_, cls)
    references = {type_: f"#/components/schemas/{name}" for type_, name in names.items()}
    components["Event"] = {
        "oneOf": [{"$ref": reference} for reference in references.values()],
        "discriminator": {"propertyName": "type", "mapping": references},
    }
    result["paths"][STREAM] = {"get": _stream()}
    return result


def _stream() -> dict[str, Any]:
    """Return the operation that the framework does not know: the endless stream."""
    refusal = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": "runs_stream",
        "summary": "Watch a run live",
        "description": "Server-sent events: every stored event after the given one, then live. Each frame is "
        '`{"kind": "event", …}`, `delta`, `caught_up`, `ping` or `end`; the ids of the frames are the seqs. '
        "After `end` the stream ends, unless the run failed and `stay` is true: then its events go on as soon as "
        "somebody continues it, up to the next `end`.",
        "tags": ["runs"],
        "parameters": [
            {"in": "path", "name": "run_id", "required": True, "schema": {"type": "string", "format": "uuid"}},
            {"in": "query", "name": "after", "schema": {"type": "integer", "minimum": 0}},
            {"in": "query", "name": "stay", "schema": {"type": "boolean", "default": False}},
            {"in": "header", "name": "Last-Event-ID", "schema": {"type": "string"}},
        ],
        "security": [{"apiKey": []}, {"session": []}],
        "responses": {
            "200": {"description": "The stream.", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
            **{status: {"description": said, "content": refusal} for status, said in STREAM_REFUSALS.items()},
        },
    }


def _component(type_: str, cls: type[Event]) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    required = [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING]
    return {
        "type": "object",
        "description": cleandoc(cls.__doc__ or ""),
        "required": ["run", "seq", "type", "at", "data"],
        "additionalProperties": False,
        "properties": {
            "run": {"type": "string", "format": "uuid"},
            "seq": {"type": "integer", "minimum": 1},
            "type": {"type": "string", "const": type_},
            "at": {"type": "string", "format": "date-time"},
            "data": {
                "type": "object",
                "additionalProperties": False,
                "properties": {f.name: _schema(hints[f.name]) for f in fields(cls)},
                **({"required": required} if required else {}),
            },
        },
    }


def _schema(hint: Any) -> dict[str, Any]:
    """Return the JSON Schema of a field's type."""
    if hint in _PLAIN:
        return {"type": _PLAIN[hint]}
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return {"anyOf": [_schema(argument) for argument in arguments]}
    if origin is Sequence:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    return {}
