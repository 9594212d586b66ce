"""Masking of credentials (links, tokens, keys, passwords) in text that is logged or kept."""

from __future__ import annotations

import re

MASK = "***"
BEARER_PATHS = (
    "share",
    "ws/share",
    "invitations",
    "n/off",
    "n",
    "accounts/confirm-email",
    "accounts/password/reset/key",
    "files/received",
)
"""Path prefixes that a token follows. A test compares this list with the routes."""
_SLASH = "(?:/|%2f)"
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PATHS = "|".join(path.replace("/", _SLASH) for path in BEARER_PATHS)
_SHORTEST = 16
"""Least number of characters that is masked.

Tokens are longer; folder names (`/usr/share/…` in a traceback) are shorter.
"""
_NAMES = "token|key|code|secret|passw|sig|state|ticket|credential|auth|jwt|session|assertion|otp"

# Each pattern keeps its group `kept` and masks the rest of the match.
_PATTERNS = (
    rf"(?P<kept>{_SLASH}(?:{_PATHS}){_SLASH})(?!{_UUID})[^\s/?#&\"'<>()\\]{{{_SHORTEST},}}",
    rf"(?P<kept>(?:[?&;]|%3f|%26)[\w.-]*(?:{_NAMES})[\w.-]*(?:=|%3d))[^\s&;\"'<>#]+",
    r"(?P<kept>\bdh_[0-9a-f]{10}_)[\w-]{20,}",
    r"(?P<kept>\bsk-)[\w-]{16,}",
    r"(?P<kept>\beyJ)[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}",
    r"(?P<kept>\b(?:bearer|basic)\s+)[\w.~+/=-]{16,}",
    r"(?P<kept>://[^\s:/@]*:)[^\s@/]+(?=@)",
)
_ALL = tuple(re.compile(pattern, re.IGNORECASE) for pattern in _PATTERNS)


def mask(text: str) -> str:
    """Return the text with `***` in place of credentials.

    These are tokens in addresses, secrets in queries, keys and passwords in URLs.
    """
    for pattern in _ALL:
        text = pattern.sub(rf"\g<kept>{MASK}", text)
    return text
