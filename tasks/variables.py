"""`{{variables}}` of a task: their declarations and their values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from accounts.errors import FieldError, InvalidInput

TYPES = ("text", "number", "choice", "date", "file")
_PLACE = re.compile(r"\{\{\s*([a-z][a-z0-9_]*)\s*\}\}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
MAX_TEXT = 20_000
"""Characters of one value."""


def places(prompt: str) -> list[str]:
    """Return the names between double braces, each once, in order."""
    return list(dict.fromkeys(_PLACE.findall(prompt)))


def parts(prompt: str) -> list[tuple[str, bool]]:
    """Split the prompt at its variables into (text, is the name of a variable)."""
    return [(part, bool(n % 2)) for n, part in enumerate(_PLACE.split(prompt))]


def check_declared(prompt: str, declared: Sequence[Mapping[str, Any]]) -> None:
    """Raise InvalidInput unless variables and declarations match one to one and fit their types."""
    errors = []
    names = [str(v.get("name", "")) for v in declared]
    for i, variable in enumerate(declared):
        name = names[i]
        if not _NAME.fullmatch(name):
            errors.append(
                FieldError(f"variables[{i}].name", "invalid", "Use small letters, digits and _ for the name.")
            )
        elif names.index(name) != i:
            errors.append(FieldError(f"variables[{i}].name", "duplicate", f"{name} is declared twice."))
        if variable.get("type") not in TYPES:
            errors.append(FieldError(f"variables[{i}].type", "invalid", f"Choose one of {', '.join(TYPES)}."))
        elif variable["type"] == "choice" and not variable.get("choices"):
            errors.append(FieldError(f"variables[{i}].choices", "required", f"List the choices of {name}."))
        elif variable.get("default") not in (None, ""):
            problem = _problem(variable, variable["default"])
            if problem and variable["type"] != "file":
                errors.append(FieldError(f"variables[{i}].default", "invalid", problem))
    for name in places(prompt):
        if name not in names:
            errors.append(FieldError("prompt", "unknown_variable", f"{{{{{name}}}}} is not declared as a variable."))
    for i, name in enumerate(names):
        if name and name not in places(prompt) and declared[i].get("type") != "file":
            errors.append(
                FieldError(f"variables[{i}].name", "unused", f"{{{{{name}}}}} does not appear in the prompt.")
            )
    if errors:
        raise InvalidInput("The variables and the prompt do not fit together.", fields=errors)


def fill(prompt: str, declared: Sequence[Mapping[str, Any]], given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the prompt with the values filled in, and the values.

    Values are inserted literally: braces or template tags in them stay plain text. Raises InvalidInput that names each
    wrong field.
    """
    errors, values = [], {}
    names = {v["name"] for v in declared}
    for name in given:
        if name not in names:
            errors.append(FieldError(f"variables.{name}", "unknown", f"This task has no variable {name}."))
    for variable in declared:
        name = variable["name"]
        value = given.get(name)
        if value in (None, ""):
            value = variable.get("default")
        if value in (None, ""):
            if variable.get("required", True):
                errors.append(
                    FieldError(f"variables.{name}", "required", f"{variable.get('label') or name} is missing.")
                )
            values[name] = ""
            continue
        problem = _problem(variable, value)
        if problem:
            errors.append(FieldError(f"variables.{name}", "invalid", problem))
        values[name] = str(value)
    if errors:
        raise InvalidInput("Some of the variables are missing or wrong.", fields=errors)
    return _PLACE.sub(lambda match: values.get(match[1], match[0]), prompt), values


def _problem(variable: Mapping[str, Any], value: Any) -> str:
    kind = variable["type"]
    if kind == "number":
        try:
            is_number = Decimal(str(value)).is_finite()
        except InvalidOperation:
            is_number = False
        return "" if is_number else f"{value!r} is not a number."
    if kind == "choice":
        choices = [str(choice) for choice in variable.get("choices") or ()]
        return "" if str(value) in choices else f"Choose one of {', '.join(choices)}."
    if kind == "date":
        try:
            date.fromisoformat(str(value))
        except ValueError:
            return "Write the date as YYYY-MM-DD."
        return ""
    return "" if len(str(value)) <= MAX_TEXT else f"At most {MAX_TEXT:,} characters."
