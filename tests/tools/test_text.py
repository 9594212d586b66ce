from __future__ import annotations

import random

import pytest

from tools import text


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"plain", "utf-8"),
        ("Grüße".encode(), "utf-8"),
        ("Grüße".encode("utf-8-sig"), "utf-8-sig"),
        ("Grüße".encode("utf-16"), "utf-16"),
        ("\ufeffGrüße".encode("utf-16-be"), "utf-16"),
        ("Grüße an alle, die das lesen".encode("utf-16-le"), "utf-16-le"),
        ("Grüße an alle, die das lesen".encode("utf-16-be"), "utf-16-be"),
        ("\ufeffGrüße".encode("utf-32-le"), "utf-32"),
        ("Grüße".encode("latin-1"), "cp1252"),
        (b"\x81\x8d caf\xe9", "latin-1"),
        ("Größe".encode()[:4], "utf-8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), None),
        (b"\x00\x01\x02\x03" * 100, None),
        (bytes(range(256)) * 4, None),
    ],
)
def test_the_encoding_of_a_text_is_found(content: bytes, encoding: str | None) -> None:
    assert text.detect_encoding(content) == encoding


def test_random_bytes_are_not_text() -> None:
    chance = random.Random(7)  # noqa: S311 - one in a thousand of all runs would draw the mark of an encoding

    assert [text.detect_encoding(chance.randbytes(4096)) for _ in range(50)] == [None] * 50


@pytest.mark.parametrize(
    ("dirty", "cleaned"),
    [
        ("a\x00b", "ab"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://evil.test\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("pay \u202e001\u202c now", "pay 001 now"),
        ("\u2066a\u2069", "a"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("עברית and émoji 🎉", "עברית and émoji 🎉"),
        ("\x9b31mC1", "31mC1"),
    ],
)
def test_clean_takes_out_what_people_cannot_see(dirty: str, cleaned: str) -> None:
    assert text.clean(dirty) == cleaned
    assert text.clean_json({"k\x00": [dirty, 1, None]}) == {"k": [cleaned, 1, None]}


def test_shorten_makes_one_line() -> None:
    assert text.shorten("one\n two   three", 20) == "one two three"
    assert text.shorten("one two three", 8) == "one two…"
