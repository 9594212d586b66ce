"""Invisible characters in names: joiners stay where a script needs them, all others go."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.hidden_characters import has_hidden, remove_hidden

ZWJ, ZWNJ = "\u200d", "\u200c"
JOINED = st.text(st.sampled_from([ZWJ, ZWNJ, *"aé 👩👧❤م्ക\ufe0f\u202e\u200b🏽.", "\U000e0041", "\x00"]))


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("a family", f"👩{ZWJ}👩{ZWJ}👧"),
        ("a heart on fire", f"❤\ufe0f{ZWJ}🔥"),
        ("a woman who runs, with a skin tone", f"🏃🏽{ZWJ}♀\ufe0f"),
        ("Scotland", "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"),
        ("Persian", f"می{ZWNJ}خواهم"),
        ("a Persian letter at the end of a word", f"ه{ZWJ}."),  # noqa: RUF001
        ("Hindi", f"क्{ZWJ}ष क्{ZWNJ}ष"),
        ("Bengali, with the joiner before the virama", f"র{ZWJ}্যাব"),
        ("Malayalam", f"അവന്{ZWJ} വന്നു"),
        ("Sinhala", f"ක්{ZWJ}ෂ"),
        ("an Arabic number sign", "\u0600١٢"),  # noqa: RUF001
        ("ASCII", "plain text"),
    ],
)
def test_what_a_script_needs_stays(what: str, text: str) -> None:
    assert remove_hidden(text) == text, what


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f"pay{ZWJ}pal{ZWNJ}", "paypal"),
        (f"{ZWJ}a", "a"),
        (f"é{ZWJ}é", "éé"),
        (f"日{ZWNJ}本", "日本"),
        (f"👩{ZWJ}", "👩"),
        (f"👩{ZWJ}{ZWJ}👧", f"👩{ZWJ}👧"),
        (f"👩{ZWNJ}👧", "👩👧"),
        ("a\u202eb\u202cc\u2066d\u2069", "abcd"),
        ("\ufeffa\u200bb\u2060c\u00add\x00e\x7f\u2028f", "abcdef"),
        ("👋\U000e0068\U000e0069", "👋"),
        ("\U0001f3f4\U000e0075\U000e0073\U000e007f", "\U0001f3f4"),
    ],
)
def test_what_no_script_needs_goes(text: str, left: str) -> None:
    assert remove_hidden(text) == left
    assert has_hidden(text)


@given(JOINED)
def test_what_is_left_stays_and_nothing_that_is_drawn_goes(text: str) -> None:
    left = remove_hidden(text)

    assert remove_hidden(left) == left
    drawn = [char for char in text if unicodedata.category(char) not in ("Cf", "Cc")]
    assert [char for char in left if unicodedata.category(char) not in ("Cf", "Cc")] == drawn
    assert set(left) - set(drawn) <= {ZWJ, ZWNJ}
