"""Readable numbers and times. static/dist/js/time.js has the live half of `relative_time`; keep them alike."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from django.utils import timezone

Number = int | float | Decimal

DASH = "\N{EN DASH}"


def money(value: Number | str | None) -> str:
    """Format US dollars with two digits; amounts below a cent with up to six."""
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return DASH
    digits = 2
    while digits < 6 and amount and abs(amount) < Decimal("0.01") and not round(abs(amount), digits - 1):
        digits += 1
    sign = "-" if amount < 0 else ""
    return f"{sign}${abs(amount):,.{digits}f}"


def duration(seconds: Number | None) -> str:
    """Format seconds: 4 m 05 s, 1 h 20 m, 48 s, 0.2 s."""
    if seconds is None:
        return DASH
    total = max(float(seconds), 0.0)
    if total < 9.95:
        return f"{total:.1f} s" if total else "0 s"
    whole = round(total)
    minutes, s = divmod(whole, 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h} h"
    if hours:
        return f"{hours} h {m:02d} m"
    return f"{m} m {s:02d} s" if m else f"{s} s"


def relative_time(at: datetime, now: datetime | None = None) -> str:
    """Format a time by its distance from now, such as 6 min ago or in 3 h. From a week on, it is the date."""
    now = now or timezone.now()
    distance = now - at
    seconds = abs(distance.total_seconds())
    if seconds < 10:
        return "just now"
    if seconds < 60:
        text = f"{int(seconds)} s"
    elif seconds < 3600:
        text = f"{int(seconds // 60)} min"
    elif seconds < 24 * 3600:
        text = f"{int(seconds // 3600)} h"
    elif seconds < 7 * 24 * 3600:
        days = int(seconds // (24 * 3600))
        text = "1 day" if days == 1 else f"{days} days"
    else:
        return f"{at.day} {at:%b}" if at.year == now.year else f"{at.day} {at:%b %Y}"
    return f"{text} ago" if distance > timedelta(0) else f"in {text}"


def day_time(at: datetime, now: datetime | None = None) -> str:
    """Format a time as Sun 22 Nov, 14:30 UTC. The year is added if it is not the present one."""
    now = now or timezone.now()
    local = timezone.localtime(at)
    year = "" if local.year == timezone.localtime(now).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year}, {local:%H:%M %Z}"


def exact_time(at: datetime) -> str:
    """Format a time as Thu 19 Nov 2026, 14:31:37 UTC."""
    local = timezone.localtime(at) if timezone.is_aware(at) else at
    return f"{local:%a} {local.day} {local:%b %Y, %H:%M:%S} {local.tzname() or ''}".strip()


def file_size(size: Number | None) -> str:
    """Format bytes: 412 B, 38.2 kB, 1.4 GB. Units are powers of 1,000, as file managers show them."""
    if size is None:
        return DASH
    amount = float(size)
    if amount < 1000:
        return f"{int(amount)} B"
    for unit in ("kB", "MB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1000:,.1f} GB"


def compact(value: Number | None) -> str:
    """Format a count: 1,482, 61.2k, 1.24M."""
    if value is None:
        return DASH
    amount = float(value)
    if abs(amount) < 10_000:
        return f"{int(amount):,}"
    if abs(amount) < 999_950:
        return f"{amount / 1000:.1f}k"
    return f"{amount / 1_000_000:.2f}M"
