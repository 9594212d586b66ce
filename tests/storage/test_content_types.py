from __future__ import annotations

import pytest

from storage import content_types


@pytest.mark.parametrize(
    ("name", "head", "found", "shown"),
    [
        ("chart.png", b"\x89PNG\r\n\x1a\n....", "image/png", "image/png"),
        ("photo.jpg", b"\xff\xd8\xff\xe0....", "image/jpeg", "image/jpeg"),
        ("a.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp", "image/webp"),
        ("page.png", b"<html><script>alert(1)</script>", "text/plain", "text/plain; charset=utf-8"),
        ("page.html", b"<html>", "text/html", "text/plain; charset=utf-8"),
        ("chart.svg", b"<?xml version='1.0'?><svg xmlns=", "image/svg+xml", "image/svg+xml"),
        ("script.svg", b"<html><script>", "text/plain", "text/plain; charset=utf-8"),
        ("chart.png", b"<svg xmlns=", "text/plain", "text/plain; charset=utf-8"),
        ("report.md", "# Grüße".encode(), "text/markdown", "text/plain; charset=utf-8"),
        ("data.csv", b"a;b\n", "text/csv", "text/plain; charset=utf-8"),
        ("data.csv", bytes(range(256)), "application/octet-stream", None),
        ("data.csv", "a;b".encode("utf-16"), "text/csv", "text/plain; charset=utf-8"),
        ("book.xlsx", b"PK\x03\x04....", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", None),
        ("book.zip", b"PK\x03\x04....", "application/zip", None),
        ("paper.png", b"%PDF-1.7", "application/pdf", None),
        ("t.parquet", b"PAR1....", "application/vnd.apache.parquet", None),
        ("empty", b"", "text/plain", "text/plain; charset=utf-8"),
    ],
)
def test_a_type_comes_from_the_content(name: str, head: bytes, found: str, shown: str | None) -> None:
    assert content_types.detect(name=name, head=head) == found
    assert content_types.inline(found) == shown
