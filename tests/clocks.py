"""A wrong clock for one process; the database keeps the right one."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


def clock_that_is_wrong_by(**amount: float) -> type[datetime]:
    """To stand in for `django.utils.timezone.datetime`: fields hold `timezone.now` itself as their default, so that a
    stand-in for that function would not reach them.
    """

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(**amount)

    return Wrong
