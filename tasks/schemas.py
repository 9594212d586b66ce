"""JSON Schemas from customers and agents: bounded, and checked without network access or hanging.

The library would load a remote `$ref` from the network, and Python's regular expressions can run for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import extend
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_CHARS = 20_000
MAX_DEPTH = 30
MAX_PATTERN = 200
"""Characters of a regular expression."""
STEPS = 5e7
"""Steps of matching that a pattern may cost."""
SHORTEST = 50
"""Characters of text that a pattern must be able to match in bounded time; others are refused."""
ENDLESS = 50
"""Count of open repeats for an ambiguous repeat, which no text is short enough for."""
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT)


def schema_error(schema: Any) -> str | None:
    """Return why this cannot be used as a schema, or None."""
    if not isinstance(schema, Mapping):
        return "A schema is a JSON object."
    if len(json.dumps(schema)) > MAX_CHARS:
        return f"A schema may have at most {MAX_CHARS:,} characters."
    for keyword, value in _walk(schema, MAX_DEPTH):
        problem = _forbidden(keyword, value)
        if problem:
            return problem
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"This is not a JSON Schema: {error.message[:200]}"
    return None


def validation_error(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Return where and why the value does not fit, or None. The schema must have passed `schema_error`."""
    try:
        _Validator(schema, registry=Registry()).validate(value)
    except ValidationError as error:
        return f"{error.message[:300]} at {error.json_path}"
    except (Unresolvable, RecursionError):
        return "the schema refers to something that it does not hold"
    return None


def _walk(schema: Any, depth_left: int) -> Iterator[tuple[str, Any]]:
    if depth_left == 0:
        yield "depth", None
    elif isinstance(schema, Mapping):
        for key, value in schema.items():
            yield str(key), value
            yield from _walk(value, depth_left - 1)
    elif isinstance(schema, list):
        for value in schema:
            yield from _walk(value, depth_left - 1)


def _forbidden(keyword: str, value: Any) -> str | None:
    if keyword == "depth" and value is None:
        return "The schema is nested too deeply."
    if keyword in {"$ref", "$dynamicRef"} and isinstance(value, str) and not value.startswith("#"):
        return "A schema may only refer to itself: a $ref begins with #."
    if keyword == "$schema" and str(value).rstrip("#") != _DIALECT:
        return "Only JSON Schema 2020-12 is read."
    if keyword == "$id":
        return "A schema cannot have an $id here."
    if keyword == "pattern" and isinstance(value, str) and not _is_quick(value):
        return "A pattern is too long or may take too long to match."
    if keyword == "patternProperties" and isinstance(value, Mapping) and not all(map(_is_quick, value)):
        return "A pattern is too long or may take too long to match."
    return None


def _is_quick(pattern: str) -> bool:
    try:
        return _max_text_length(pattern) >= SHORTEST
    except (re.error, RecursionError, OverflowError):
        return True  # the metaschema's own check says what is wrong


@lru_cache(maxsize=256)
def _max_text_length(pattern: str) -> int:
    """Return the longest text for which matching takes at most about STEPS steps.

    Backtracking costs a power of the length for each open repeat, doubles with each optional part, and has no bound
    for a repeat inside a repeat.
    """
    if len(pattern) > MAX_PATTERN:
        return 0
    opens, optionals = _ambiguity(_parser.parse(pattern), is_inside=False)
    return int((STEPS / 2**optionals) ** (1 / (opens + 1)))


def _ambiguity(tree: Any, *, is_inside: bool) -> tuple[int, int]:
    """Return (open repeats, optional parts) of an expression; a repeat of something ambiguous counts as infinite."""
    opens = optionals = 0
    for operation, argument in tree:
        inner: list[Any] = []
        now_inside = is_inside
        if operation in _REPEATS:
            least, most, part = argument
            inner, now_inside = [part], is_inside or most != 1
            opens += least != most and most != 1
            optionals += least != most and most == 1
        elif operation is _constants.BRANCH:
            inner = argument[1]
            optionals += 1
        elif operation in (_constants.SUBPATTERN, _constants.ATOMIC_GROUP):
            inner = [argument[-1] if operation is _constants.SUBPATTERN else argument]
        elif operation in (_constants.ASSERT, _constants.ASSERT_NOT):
            inner = [argument[1]]
        elif operation in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            opens += ENDLESS
        if is_inside and opens + optionals:
            return ENDLESS, ENDLESS
        for part in inner:
            more_opens, more_optionals = _ambiguity(part, is_inside=now_inside)
            opens, optionals = opens + more_opens, optionals + more_optionals
    return opens, optionals


def _match(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, str):
        return
    if len(instance) > _max_text_length(pattern):
        yield ValidationError(f"the text is too long to be held against the pattern {pattern!r}")
    elif not re.search(pattern, instance):
        yield ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


_Validator = extend(Draft202012Validator, {"pattern": _match})
