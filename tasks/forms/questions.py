"""Questions as forms: a control for each type of answer, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from accounts import strict_json
from accounts.errors import FieldError, InvalidInput
from tasks import schemas
from tasks.fragments.lines import visible
from tasks.models import HumanRequest

PREFIX = "part:"
"""Prefix of the fields that are parts of one answer."""
NUMBERS = ("integer", "number")
SIMPLE = (*NUMBERS, "string", "boolean")
MAX_PARTS = 20
MAX_OPTIONS = 50
LONG = 120


@dataclass(frozen=True, slots=True)
class Option:
    """Answer to pick. `key` is its number key, for the first nine."""

    label: str
    value: Any
    key: str = ""


@dataclass(frozen=True, slots=True)
class Control:
    """Field of a question. `kind` is `options`, `number`, `date`, `long` or `text`."""

    name: str
    label: str
    kind: str
    hint: str = ""
    is_required: bool = True
    options: Sequence[Option] = ()
    value: str = ""
    error: str = ""


def options_of(asked: HumanRequest) -> list[Option]:
    """List what can be picked with one press: the choices, or the values that the schema names."""
    return _options(asked.choices) if asked.choices else _schema_options(asked.schema or {})


def is_form(asked: HumanRequest) -> bool:
    """Return whether the answer is an object whose parts have a control each."""
    schema = asked.schema or {}
    parts = schema.get("properties")
    return (
        not asked.choices
        and schema.get("type") == "object"
        and isinstance(parts, Mapping)
        and 0 < len(parts) <= MAX_PARTS
        and all(isinstance(part, Mapping) and _is_simple(part) for part in parts.values())
    )


def controls_of(asked: HumanRequest, given: Mapping[str, str], errors: Mapping[str, str]) -> list[Control]:
    """Return a control for each part, with what was typed and what is wrong with it."""
    schema = asked.schema or {}
    required = schema.get("required") or ()
    return [
        _control(name, part, name in required, given.get(f"{PREFIX}{name}"), errors.get(f"value.{name}", ""))
        for name, part in _parts(schema)
    ]


def control_of(asked: HumanRequest) -> Control | None:
    """Return the control of a single value, or None where it has to be written as JSON."""
    schema = asked.schema or {}
    if schema and not _is_simple(schema):
        return None
    return _control("text", schema, True, None, "")


def read_parts(asked: HumanRequest, data: QueryDict) -> dict[str, Any]:
    """Read the object from the form. InvalidInput names every part that is missing or does not fit."""
    schema = asked.schema or {}
    required, answer, errors = schema.get("required") or (), {}, []
    for name, part in _parts(schema):
        text = data.get(f"{PREFIX}{name}", "").strip()
        label = _label(name, part)
        if not text and name in required:
            errors.append(FieldError(f"value.{name}", "required", f"{label} is needed."))
        if not text:
            continue
        try:
            answer[name] = read_simple(text, part)
        except ValueError as error:
            errors.append(FieldError(f"value.{name}", "invalid", f"{label}: {error}"))
            continue
        if problem := schemas.validation_error(answer[name], part):
            errors.append(FieldError(f"value.{name}", "invalid", _in_words(part, label, answer[name], problem)))
    if errors:
        raise InvalidInput("The answer does not fit the question.", fields=errors)
    return answer


def read_simple(text: str, schema: Mapping[str, Any]) -> Any:
    """Read a value in the type of the schema. ValueError says what to write instead."""
    options = _schema_options(schema)
    if options and text.isdecimal() and int(text) < len(options):
        return options[int(text)].value
    if options:
        raise ValueError("choose one of the answers.")
    if schema.get("type") not in NUMBERS:
        return text
    example = "42" if schema["type"] == "integer" else "2.5"
    plain = text.replace(" ", "").replace("\u00a0", "")
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", plain):
        raise ValueError(f"write a number, such as {example}.")
    try:
        value = strict_json.loads(plain.lstrip("+"), repair=False)
    except strict_json.NotStorable as error:
        raise ValueError(f"write a number, such as {example}.") from error
    return int(value) if isinstance(value, float) and value.is_integer() and schema["type"] == "integer" else value


def _parts(schema: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Sort required parts first, in their order: JSONB keeps none for the properties."""
    required = list(schema.get("required") or ())
    place = {name: n for n, name in enumerate(required)}
    return sorted(schema["properties"].items(), key=lambda part: place.get(part[0], len(required)))


def _is_simple(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") in SIMPLE or bool(_schema_options(schema))


def _schema_options(schema: Mapping[str, Any]) -> list[Option]:
    values = schema.get("enum")
    if isinstance(values, list) and 0 < len(values) <= MAX_OPTIONS:
        return _options(values)
    if schema.get("type") == "boolean":
        return [Option("Yes", True, "1"), Option("No", False, "2")]
    return []


def _options(values: Sequence[Any]) -> list[Option]:
    return [Option(_said(value), value, str(n) if n < 10 else "") for n, value in enumerate(values, 1)]


def _said(value: Any) -> str:
    return visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _label(name: str, schema: Mapping[str, Any]) -> str:
    title = schema.get("title")
    return visible(title)[:80] if isinstance(title, str) and title else visible(name.replace("_", " ").capitalize())


def _control(name: str, schema: Mapping[str, Any], is_required: bool, value: str | None, error: str) -> Control:
    options = _schema_options(schema)
    kind, bounds = "text", ""
    if options:
        kind = "options"
    elif schema.get("type") in NUMBERS:
        kind, bounds = "number", _bounds(schema)
    elif schema.get("format") == "date":
        kind = "date"
    elif int(schema.get("maxLength") or LONG + 1) > LONG and schema.get("format") is None:
        kind = "long"
    told = str(schema.get("description") or "")
    hint = visible(" ".join(part for part in (told[:300], bounds) if part))
    if value is None:
        value = _initial(schema, options)
    return Control(name, _label(name, schema), kind, hint, is_required, options, value, error)


def _initial(schema: Mapping[str, Any], options: Sequence[Option]) -> str:
    default = schema.get("default")
    if default is None:
        return ""
    if options:
        return next((str(n) for n, option in enumerate(options) if option.value == default), "")
    return str(default)


def _bounds(schema: Mapping[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f"From {low} to {high}."
    if low is not None:
        return f"At least {low}."
    return f"At most {high}." if high is not None else ""


def _in_words(schema: Mapping[str, Any], label: str, value: Any, problem: str) -> str:
    most = schema.get("maxLength")
    if isinstance(most, int) and isinstance(value, str) and len(value) > most:
        return f"{label}: at most {most:,} characters."
    if schema.get("type") in NUMBERS and (bounds := _bounds(schema)):
        return f"{label}: {bounds[0].lower()}{bounds[1:]}"
    return f"{label}: {problem.rpartition(' at ')[0] or problem}."
