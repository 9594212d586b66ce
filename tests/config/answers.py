"""Validation of response bodies against the OpenAPI document, with every object closed."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

OPEN = {"Problem"}
"""Components with members that the document does not name (RFC 9457, 3.2)."""


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every nested schema that names the members of an object."""
    if isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for inner in schema.values():
            yield from objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from objects(inner)


class Answers:
    """Responses of one document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._validators: dict[str, Draft202012Validator] = {}

    @cached_property
    def _components(self) -> dict[str, Any]:
        closed: dict[str, Any] = copy.deepcopy(self._document["components"])
        for name, schema in closed["schemas"].items():
            for found in objects(schema) if name not in OPEN else ():
                found["additionalProperties"] = False
        return closed

    def problem_of(self, operation: Mapping[str, Any], answer: Any) -> str:
        """Return the deviation of the body from the document, or "". Bodies that are not JSON are skipped."""
        content = operation["responses"][str(answer.status_code)].get("content", {})
        media_type = answer.get("Content-Type", "").partition(";")[0]
        if answer.streaming or (not content and not answer.content):
            return ""
        if media_type not in content:
            return f"{answer.status_code} is {media_type or 'without a type'}, not {', '.join(content) or 'empty'}"
        if not media_type.endswith("json"):
            return ""
        found = next(self._validator(content[media_type]["schema"]).iter_errors(answer.json()), None)
        return f"{answer.status_code} {found.json_path}: {found.message[:300]}" if found else ""

    def _validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = {"components": self._components, **schema}
            self._validators[key] = Draft202012Validator(whole, format_checker=FormatChecker())
        return self._validators[key]
