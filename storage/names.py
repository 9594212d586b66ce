"""File names as pages show them and as headers carry them."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from accounts.hidden_characters import remove_hidden

MAX_BYTES = 200


def display_name(name: str) -> str:
    """Return the last part of a path without invisible characters, shortened before the extension to MAX_BYTES."""
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    plain = remove_hidden(last).strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    ending = dot + suffix if stem and len(suffix) <= 10 else ""
    room = MAX_BYTES - len(ending.encode())
    cut = plain.removesuffix(ending).encode()[:room].decode(errors="ignore")
    return (remove_hidden(cut) + ending) or "file"  # a joiner at the cut is removed as well


def content_disposition(name: str) -> str:
    """Return an `attachment` header (RFC 6266) with an ASCII name for old browsers and the real name."""
    shown = display_name(name)
    plain = unicodedata.normalize("NFKD", shown).encode("ascii", "ignore").decode()
    plain = "".join(char for char in plain if char not in '"\\%;')
    plain = f"file{plain}" if not plain or plain.startswith(".") else plain
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(shown, safe='')}"
