"""Rules for invisible characters, and characters that change text direction, in names.

Joiners are invisible but belong to words and pictures: U+200C and U+200D in Persian, Indic and emoji sequences. They
are kept where a script uses them (RFC 5892, appendix A, and common usage beyond it) and removed elsewhere, so that no
two names look alike because of them.
"""

from __future__ import annotations

import re
import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SHOWN = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Visible characters of category Cf: signs before or around numbers in Arabic, Syriac and Kaithi."""
_NON_JOINER, _JOINER = "\u200c", "\u200d"
_CURSIVE = ("ARABIC", "SYRIAC", "MONGOLIAN", "NKO", "MANDAIC", "PHAGS-PA", "MANICHAEAN", "ADLAM", "HANIFI")
_EMOJI_ENDS = frozenset("\ufe0f\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
"""Emoji variation selector and skin tones. A sequence may continue after them."""
_VIRAMA = 9
"""Canonical combining class of the sign that joins letters of Indic scripts."""
_FLAGS = re.compile(
    "|".join(f"\U0001f3f4{''.join(chr(0xE0000 + ord(c)) for c in of)}\U000e007f" for of in ("gbeng", "gbsct", "gbwls"))
)
"""England, Scotland and Wales: the only flags that are written with tag characters."""


def remove_hidden(text: str) -> str:
    """Return the text without control, direction and other invisible characters that its script does not need."""
    if text.isascii() and text.isprintable():
        return text
    flags = {at for found in _FLAGS.finditer(text) for at in range(*found.span())}
    kept: list[str] = []
    for at, char in enumerate(text):
        is_shown = unicodedata.category(char) not in _HIDDEN or char in _SHOWN or at in flags
        is_joiner = char in (_JOINER, _NON_JOINER)
        if is_shown or (is_joiner and kept and _joins(kept[-1], char, text[at + 1 : at + 2])):
            kept.append(char)
    return "".join(kept)


def has_hidden(text: str) -> bool:
    """Return True if `remove_hidden` would remove a character."""
    return remove_hidden(text) != text


def _joins(before: str, joiner: str, after: str) -> bool:
    if _VIRAMA in (unicodedata.combining(before), unicodedata.combining(after or " ")):
        return True
    if unicodedata.name(before, "").startswith(_CURSIVE):
        return True
    is_emoji = before in _EMOJI_ENDS or unicodedata.category(before) == "So"
    return joiner == _JOINER and is_emoji and bool(after) and unicodedata.category(after) == "So"
