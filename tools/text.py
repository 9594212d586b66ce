"""Text from outside: detection of its encoding, and removal of control characters."""

from __future__ import annotations

import codecs
import re
from typing import Any

# Terminal escapes, then control characters except tab and newline, then bidirectional overrides.
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\-_])")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_ODD_BYTES = bytes(set(range(32)) - set(b"\t\n\r\f\x1b")) + b"\x7f"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Encodings that chardet may answer, and the factor by which ambiguous text is more often Windows-1252.
_LEGACY = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp874", "gb18030", "big5"),
    *("cp932", "euc-jp", "cp949", "koi8-r", "koi8-u", "cp866", "iso8859-2", "iso8859-5", "mac-cyrillic", "mac-roman"),
    *("cp850", "cp437"),
)
ODD_BYTES = "deskhand.odd-bytes"
"""Value for `errors=` that decodes stray bytes in a text that otherwise is UTF-8."""
_WESTERN = 1.4
_GUESSED_BYTES = 64 * 1024
"""Bytes by which an encoding is guessed."""
_ASCII = frozenset(map(chr, range(128)))
_SYMBOLS = frozenset(bytes.fromhex("80828485919293949596979999a0a3a7a9abaeb0b1b2b3b4b5b7bbbcbdbed7").decode("cp1252"))
_LABELS = {
    "cp932": "Shift JIS",
    "gb18030": "GBK",
    "big5": "Big5",
    "big5hkscs": "Big5",
    "cp949": "EUC-KR",
    "euc_jis_2004": "EUC-JP",
    "cp874": "Windows-874",
    "mac-roman": "Mac Roman",
    "mac-cyrillic": "Mac Cyrillic",
    "iso8859-2": "ISO 8859-2",
    "iso8859-5": "ISO 8859-5",
}


def clean(text: str) -> str:
    r"""Return the text without NUL, terminal escapes, control characters and bidirectional overrides; lines end with
    \n.
    """
    return _CONTROL.sub("", _ANSI.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def clean_json(value: Any) -> Any:
    """Clean every string inside a JSON value."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value


def shorten(text: str, limit: int) -> str:
    """Return at most `limit` characters on one line, with an ellipsis where something was left out."""
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def detect_encoding(head: bytes) -> str | None:
    """Return the encoding of text that starts with these bytes.

    None if they are not text. A text of which only some lines are not UTF-8 counts as UTF-8.
    """
    wide = wide_encoding(head)
    if wide or not head:
        return wide or "utf-8"
    if len(head.translate(None, _ODD_BYTES)) < len(head) * 0.995:
        return None
    if _starts_as_utf8(head):
        return "utf-8"
    lines = [line for line in head.splitlines() if not line.isascii()]
    broken = [line for line in lines if not is_utf8(line)]
    return "utf-8" if len(broken) * 2 < len(lines) else guess_legacy(b"\n".join(lines))


def decode(data: bytes) -> str:
    """Decode the bytes in whatever encoding they have. Bytes that do not fit it are read as Windows-1252."""
    return data.decode(detect_encoding(data[:_GUESSED_BYTES]) or "latin-1", errors=ODD_BYTES).removeprefix("\ufeff")


def _odd_bytes(problem: UnicodeError) -> tuple[str, int]:
    if not isinstance(problem, UnicodeDecodeError):
        raise problem
    return problem.object[problem.start : problem.end].decode("cp1252", errors="replace"), problem.end


codecs.register_error(ODD_BYTES, _odd_bytes)


def wide_encoding(head: bytes) -> str | None:
    """Return the encoding that a byte order mark names, or UTF-16 without one; None for others."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    return _wide_without_mark(head)


def guess_legacy(data: bytes) -> str:
    """Return the most likely encoding of text that is not UTF-8.

    Pass no ASCII-only lines: they make the guess worse.
    """
    data = data[:_GUESSED_BYTES]
    western = _decoded(data, "cp1252")
    if western is not None and set(western) - _ASCII <= _SYMBOLS:
        return "cp1252"
    import chardet  # slow to load, and seldom needed

    found = chardet.detect_all(data, ignore_threshold=True, include_encodings=_LEGACY, compat_names=False)
    ranked = sorted(found, key=lambda one: -one["confidence"] * (_WESTERN if one["encoding"] == "cp1252" else 1))
    names = [str(one["encoding"]) for one in ranked if one["encoding"]]
    best = next((name for name in names if _decoded(data, name) is not None), "latin-1")
    return "cp1252" if western is not None and western == _decoded(data, best) else best


def encoding_label(name: str) -> str:
    """Return the usual name of the encoding."""
    return _LABELS.get(name, name.upper().replace("CP12", "Windows-12"))


def is_utf8(line: bytes) -> bool:
    return _decoded(line, "utf-8") is not None


def _starts_as_utf8(head: bytes) -> bool:
    """Return True if the bytes are UTF-8; the last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _wide_without_mark(head: bytes) -> str | None:
    """Detect UTF-16 without a byte order mark. Nearly every other byte is NUL, on one side only."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd > half * 0.7 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.7 and odd < half * 0.05:
        return "utf-16-be"
    return None


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return None
