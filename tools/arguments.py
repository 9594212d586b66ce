"""Validation of tool arguments, with sentences that a model can act on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from tools.spec import ToolSpec

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def check(spec: ToolSpec, arguments: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the arguments, or None."""
    problems = sorted(_validator(spec).iter_errors(dict(arguments)), key=lambda error: list(map(str, error.path)))
    if not problems:
        return None
    said = list(dict.fromkeys(_sentence(problem) for problem in problems))
    return f"The arguments of {spec.name} do not fit: {' '.join(said[:3])}"


@lru_cache(maxsize=64)
def _validator(spec: ToolSpec) -> Draft202012Validator:
    return Draft202012Validator(dict(spec.input_schema))


def _sentence(problem: ValidationError) -> str:
    where = ".".join(str(part) for part in problem.absolute_path)
    name = f"'{where}'" if where else "The input"
    limit = problem.validator_value
    match problem.validator:
        case "required":
            missing = [key for key in problem.validator_value if key not in problem.instance]
            return f"'{'.'.join([*([where] if where else []), missing[0]])}' is missing."
        case "additionalProperties":
            known = ", ".join(problem.schema.get("properties", {}))
            extra = [key for key in problem.instance if key not in problem.schema.get("properties", {})]
            return f"'{str(extra[0])[:60]}' is not known; use {known}."
        case "type":
            kinds = [limit] if isinstance(limit, str) else list(limit)
            return f"{name} must be {' or '.join(_TYPES[kind] for kind in kinds)}."
        case "enum":
            return f"{name} must be one of: {', '.join(map(str, limit))}."
        case "maxLength":
            return f"{name} may have at most {limit:,} characters."
        case "minLength":
            return f"{name} may not be empty." if limit == 1 else f"{name} must have at least {limit} characters."
        case "maximum":
            return f"{name} may be at most {limit:,}."
        case "minimum":
            return f"{name} must be at least {limit:,}."
        case "maxItems":
            return f"{name} may have at most {limit} entries."
        case "minItems":
            return f"{name} must have at least {limit} {'entry' if limit == 1 else 'entries'}."
    return f"{name} does not fit ({str(problem.message)[:160]})."
