"""Ids that sort by their time of creation."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

from accounts.ids import first_id_at, uuid7


def test_what_is_made_later_sorts_later_within_a_millisecond_too(monkeypatch) -> None:
    moments = [1_800_000_000_000_000_000 + step * 10_000 for step in range(200)]  # two milliseconds in 10 µs steps
    clock = iter(moments)
    monkeypatch.setattr(time, "time_ns", lambda: next(clock))

    made = [uuid7() for _ in moments]

    assert made == sorted(made)
    assert {(one.version, one.variant) for one in made} == {(7, RFC_4122)}


def test_two_of_one_moment_differ(monkeypatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)

    assert uuid7() != uuid7()


def test_the_first_id_of_a_moment_lies_before_all_that_were_made_then() -> None:
    now = datetime.now(UTC)

    assert first_id_at(now - timedelta(milliseconds=1)) < uuid7() < first_id_at(now + timedelta(seconds=60))
