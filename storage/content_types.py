"""Content types of files, detected from their first bytes. Types that a request claims are not trusted.

A file that only claims to be a picture, or a page that does, must never be shown as one.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping

HEAD_BYTES = 4096
BINARY = "application/octet-stream"
SVG = "image/svg+xml"
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_MARKS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"\x1f\x8b", "application/gzip"),
)
_ZIPS: Mapping[str, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_TEXTS: Mapping[str, str] = {
    "css": "text/css",
    "csv": "text/csv",
    "htm": "text/html",
    "html": "text/html",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "md": "text/markdown",
    "tsv": "text/tab-separated-values",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "yml": "application/yaml",
}
TEXTS = frozenset({*_TEXTS.values(), "text/plain"})


def detect(*, name: str, head: bytes) -> str:
    """Return the content type of a file that starts with `head`. The name only chooses between types that fit."""
    for mark, kind in _MARKS:
        if head.startswith(mark):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    suffix = name.lower().rpartition(".")[2]
    if head.startswith(b"PK\x03\x04"):
        return _ZIPS.get(suffix, "application/zip")
    if not _is_text(head):
        return BINARY
    if suffix == "svg" and b"<svg" in head:
        return SVG
    return _TEXTS.get(suffix, "text/plain")


def inline(content_type: str) -> str | None:
    """Return the type under which a browser may show the file in a page, or None: download only.

    An SVG can hold scripts: serve it inline only with a Content-Security-Policy of `sandbox`.
    """
    if content_type in PICTURES or content_type == SVG:
        return content_type
    return "text/plain; charset=utf-8" if content_type in TEXTS else None


def specific(detected: str, hint: str) -> str:
    """Return the hinted type if the bytes say nothing and the hint is harmless, else the detected one."""
    is_plain = detected == BINARY and hint and inline(hint) is None
    return hint[:120] if is_plain else detected


def _is_text(head: bytes) -> bool:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    odd = bytes(set(range(32)) - set(b"\t\n\r\f\x1b"))
    return len(head.translate(None, odd)) >= len(head) * 0.995
