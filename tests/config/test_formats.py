from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from accounts import formats
from accounts.formats import DASH

NOW = datetime(2026, 11, 19, 14, 31, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "$0.00"),
        ("0.381234", "$0.38"),
        (Decimal("0.01"), "$0.01"),
        (Decimal("0.0042"), "$0.0042"),
        (Decimal("0.000123"), "$0.00012"),
        (Decimal("0.0000004"), "$0.000000"),
        (1204.5, "$1,204.50"),
        (-2, "-$2.00"),
        (None, DASH),
        ("much", DASH),
    ],
)
def test_money(value, text):
    assert formats.money(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, DASH),
        (0, "0 s"),
        (0.21, "0.2 s"),
        (9.96, "10 s"),
        (59.6, "1 m 00 s"),
        (245, "4 m 05 s"),
        (4800, "1 h 20 m"),
        (3 * 86400 + 7200, "3 d 2 h"),
        (-5, "0 s"),
    ],
)
def test_duration(seconds, text):
    assert formats.duration(seconds) == text


@pytest.mark.parametrize(
    ("distance", "text"),
    [
        (timedelta(seconds=3), "just now"),
        (timedelta(seconds=38), "38 s ago"),
        (timedelta(minutes=6, seconds=59), "6 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=1, hours=2), "1 day ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(days=8), "11 Nov"),
        (timedelta(days=400), "15 Oct 2025"),
        (timedelta(hours=-3), "in 3 h"),
    ],
)
def test_relative_time(distance, text):
    assert formats.relative_time(NOW - distance, NOW) == text


def test_exact_time():
    assert formats.exact_time(NOW) == "Thu 19 Nov 2026, 14:31:37 UTC"


@pytest.mark.parametrize(
    ("distance", "text"),
    [(timedelta(hours=3), "Thu 19 Nov, 17:31 UTC"), (timedelta(days=60), "Mon 18 Jan 2027, 14:31 UTC")],
)
def test_day_time(distance, text):
    assert formats.day_time(NOW + distance, NOW) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, DASH), (0, "0 B"), (999, "999 B"), (38_210, "38.2 kB"), (999_960, "1.0 MB"), (52_400_000_000, "52.4 GB")],
)
def test_file_size(size, text):
    assert formats.file_size(size) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, DASH), (1482, "1,482"), (61_204, "61.2k"), (999_970, "1.00M"), (1_240_000, "1.24M")]
)
def test_compact(value, text):
    assert formats.compact(value) == text
