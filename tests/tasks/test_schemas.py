"""Schemas from outside: they fetch nothing and cannot hang. Attack cases 19, 57."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from tasks import schemas

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "code": {"type": "string", "pattern": "^[A-Z]{2}-\\d+$"},
        "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
    },
    "required": ["name"],
    "$defs": {"tag": {"enum": ["a", "b"]}},
}


def test_an_ordinary_schema_is_used() -> None:
    assert schemas.schema_error(PERSON) is None
    assert schemas.validation_error({"name": "Rita", "code": "DE-12", "tags": ["a"]}, PERSON) is None
    assert schemas.validation_error({"name": ""}, PERSON) == "'' should be non-empty at $.name"
    assert (
        schemas.validation_error({"name": "Rita", "tags": ["c"]}, PERSON) == "'c' is not one of ['a', 'b'] at $.tags[0]"
    )
    assert schemas.validation_error({"name": "Rita", "code": "x"}, PERSON) is not None
    assert schemas.validation_error({"name": "Rita", "code": "A" * 30_000}, PERSON) is not None


@pytest.mark.parametrize(
    "schema",
    [
        [],
        "object",
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:1/schema"},
        {"properties": {"a": {"anyOf": [{"$ref": "file:///etc/passwd"}]}}},
        {"$dynamicRef": "https://example.com/#x"},
        {"$id": "http://127.0.0.1:1/", "$ref": "#/x"},
        {"$schema": "http://127.0.0.1:1/metaschema"},
        {"enum": ["x" * 20_001]},
        {"pattern": "(a+)+$"},
        {"pattern": "(a|aa)*$"},
        {"pattern": "(.*)(.*)(.*)(.*)x"},
        {"pattern": "(a*)\\1+b"},
        {"pattern": "a?" * 30 + "a" * 30},
        {"pattern": "((a{0,9}){0,9}){0,9}b"},
        {"pattern": "x" * 201},
        {"pattern": "("},
        {"patternProperties": {"^(([a-z])+.)+$": {}}},
    ],
)
def test_a_schema_that_could_reach_out_or_hang_is_refused(schema: Any) -> None:
    assert schemas.schema_error(schema)


def test_a_deep_schema_is_refused() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200):
        deep = {"not": deep}

    assert schemas.schema_error(deep) == "The schema is nested too deeply."


def test_checking_a_value_never_opens_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validate with a schema that `schema_error` has not seen."""
    monkeypatch.setattr(socket, "create_connection", lambda *_, **__: pytest.fail("a connection was opened"))

    assert schemas.validation_error(1, {"$ref": "http://127.0.0.1:1/schema"}) is not None


@pytest.mark.parametrize("pattern", ["a*b", "a*a*b", "a*a*a*b", "a?a?a?a?a*b", "(a|b)(a|b)(a|c)a*a*d", "(aaa){2}a*b"])
def test_what_is_let_through_is_quick(pattern: str) -> None:
    schema = {"pattern": pattern}
    assert schemas.schema_error(schema) is None

    started = time.perf_counter()
    for length in (50, 80, 300, 1000, 7000, 20_000):
        assert schemas.validation_error("a" * length, schema) is not None

    assert time.perf_counter() - started < 30


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^https?://", "https://example.com/" + "x" * 5000),
        ("^[A-Z]{2}-[0-9]+$", "DE-12"),
        ("^-?[0-9]+(\\.[0-9]+)?$", "-12.5"),
        ("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-11-21"),
        ("^(open|closed|lost)$", "lost"),
        ("^[^@]+@[^@]+$", "rita@example.com"),
    ],
)
def test_ordinary_patterns_work(pattern: str, text: str) -> None:
    assert schemas.schema_error({"pattern": pattern}) is None
    assert schemas.validation_error(text, {"pattern": pattern}) is None
