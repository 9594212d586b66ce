"""Wrong clock for one process; the database keeps the right one."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo


def clock_that_is_wrong_by(**amount: float) -> type[datetime]:
    """Return a replacement for `django.utils.timezone.datetime`.

    Replacing `timezone.now` would not reach fields, which hold that function itself as their default.
    """

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(**amount)

    return Wrong
