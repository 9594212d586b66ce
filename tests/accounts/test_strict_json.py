"""Strict JSON: accepted values are the same in memory and in PostgreSQL."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from accounts import strict_json
from accounts.strict_json import NotStorable
from tasks.call_digest import digest

REAL_DATABASE = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
ODD = st.sampled_from(["\0", "\ud83d", "\ude42", "\udfff", "\ufffd", "\u2028", "\u202e", "\\", '"'])
TEXTS = st.lists(st.one_of(st.characters(codec=None, exclude_categories=()), ODD), max_size=20).map("".join)
"""Texts of any code points, often with NUL and unpaired surrogates."""
NUMBERS = st.one_of(st.integers(), st.floats(), st.integers(-(10**320), 10**320))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=12,
)


def through_postgres(value: Any) -> Any:
    """Return the value as a jsonb column returns it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::jsonb::text", [json.dumps(value, ensure_ascii=False, allow_nan=False)])
        return json.loads(cursor.fetchone()[0])


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.promise("G21")
@pytest.mark.django_db
@REAL_DATABASE
@given(VALUES)
@example({"amount": -0.0})
@example([1e16, 1.5e300, 1e22, 1e23, 5e-324, 9007199254740993.0])
@example("half \ud83d, whole \ud83d\ude42, NUL \0")
@example({"a\0": 1, "a\ufffd": 2})
def test_a_value_has_the_same_digest_before_and_after_the_database(value: Any) -> None:
    try:
        kept = strict_json.normalise(value)
    except NotStorable:
        kept = strict_json.storable(value)

    back = through_postgres(kept)

    assert digest("tool", {"value": back}) == digest("tool", {"value": kept})
    assert back == kept
    assert strict_json.normalise(kept) is kept


@pytest.mark.promise("G21")
@pytest.mark.django_db
@REAL_DATABASE
@given(TEXTS)
def test_a_text_is_the_same_before_and_after_the_database(text: str) -> None:
    kept = strict_json.clean_text(text)

    with connection.cursor() as cursor:
        cursor.execute("SELECT %s::text", [kept])
        assert cursor.fetchone()[0] == kept
    assert strict_json.clean_text(kept) is kept


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1, "b": [true, null, "x"]}', {"a": 1, "b": [True, None, "x"]}),
        ("-0.0", 0.0),
        ("1e16", 10**16),
        ("1e23", 10**23),
        ("1.5", 1.5),
        (r'"a\u0000b"', "a\ufffdb"),
        (r'"\ud83d!"', "\ufffd!"),
        (r'"\ud83d\ude42"', "🙂"),
        (b'"M\xc3\xa1laga"', "Málaga"),
        ("9" * 308, int("9" * 308)),
    ],
)
def test_what_is_read(text: str | bytes, value: Any) -> None:
    found = strict_json.loads(text)

    assert (found, type(found)) == (value, type(value))
    assert str(found) == str(value)


@pytest.mark.promise("G23")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("NaN", "NaN is not a number in JSON."),
        ('{"v": -Infinity}', "-Infinity is not a number in JSON."),
        ("1e999", "The number 1e999 is too large."),
        ("9" * 309, "A number is too large."),
        ("9" * 5000, "A number has too many digits."),
        ('{"a":', "It is not JSON: Expecting value at character 5."),
        ("", "It is not JSON: Expecting value at character 0."),
        (b'"\xff"', "It is not UTF-8: byte 1."),
        (deep(61), "It is nested more than 60 levels deep."),
        (deep(20_000), "It is nested more than 60 levels deep."),
        (r'{"a\u0000": 1, "a\ufffd": 2}', "Two fields have the same name: 'a\ufffd'."),
    ],
)
def test_what_is_refused_and_why(text: str | bytes, why: str) -> None:
    with pytest.raises(NotStorable) as caught:
        strict_json.loads(text)

    assert str(caught.value) == why


def test_the_deepest_value_that_fits() -> None:
    assert strict_json.loads(deep(60)) == json.loads(deep(60))


@pytest.mark.parametrize("text", [r'"a\u0000"', r'"\ud83d"', r'{"\u0000": 1}', r'["\udc00\ud800"]'])
def test_without_repair_half_characters_are_refused(text: str) -> None:
    with pytest.raises(NotStorable, match=r"A text holds a NUL or half a character\."):
        strict_json.loads(text, repair=False)


def test_what_is_only_shown_is_kept_as_text() -> None:
    deepest: Any = "x"
    for _ in range(500):
        deepest = [deepest]

    kept = strict_json.storable({"a": float("nan"), "b": (1, {2: "\0"}), "c": {3}, "d": 10**400, "e": deepest})

    assert kept["a"] == "NaN"
    assert kept["b"] == [1, {"2": "\ufffd"}]
    assert kept["c"] == "{3}"
    assert kept["d"] == "a very large number"
    assert "(nested too deeply)" in json.dumps(kept["e"])
