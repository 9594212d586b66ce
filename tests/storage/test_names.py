from __future__ import annotations

import pytest

from storage import names
from tools import workspace


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("tickets.csv", "tickets.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\My file.xlsx", "My file.xlsx"),
        ("a\x00b\u202e.csv", "ab.csv"),
        ("..", "file"),
        ("", "file"),
        (".env", "env"),
        (" a .", "a"),
        ("~root", "~root"),
        ("é" * 300 + ".csv", "é" * 98 + ".csv"),
        ("x" * 300, "x" * 200),
        ("Cafe\u0301.csv", "Café.csv"),
        ("👩‍👩‍👧 family.csv", "👩‍👩‍👧 family.csv"),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿 goals.csv", "🏴󠁧󠁢󠁥󠁮󠁧󠁿 goals.csv"),
        ("می‌خواهم.csv", "می‌خواهم.csv"),
        ("ക്‍.csv", "ക്‍.csv"),
        ("in\u200dvoice\u200c.csv", "invoice.csv"),
        ("ab\u200b\ufeff\u2060\u00ad.csv", "ab.csv"),
        ("invoice\u202excod.exe", "invoicexcod.exe"),
        ("\u2066a\u2069\u200e\u200f\u061c.csv", "a.csv"),
        ("👩\U000e0041\U000e0042.csv", "👩.csv"),
        ("👩" * 48 + "👩‍👩.csv", "👩" * 49 + ".csv"),
        ('he said "hi".csv', 'he said "hi".csv'),
        ("50%22.csv", "50%22.csv"),
    ],
)
def test_any_name_becomes_one_that_can_be_shown_and_used(name: str, shown: str) -> None:
    assert names.display_name(name) == shown
    assert workspace.normalise(shown) == shown


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.csv", "attachment; filename=\"a.csv\"; filename*=UTF-8''a.csv"),
        ("日本.csv", "attachment; filename=\"file.csv\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC.csv"),
        ("日本", "attachment; filename=\"file\"; filename*=UTF-8''%E6%97%A5%E6%9C%AC"),
        ('a"; x=\r\ny.csv', "attachment; filename=\"a x=y.csv\"; filename*=UTF-8''a%22%3B%20x%3Dy.csv"),
    ],
)
def test_a_header_carries_any_name(name: str, header: str) -> None:
    assert names.content_disposition(name) == header
