"""Dates and times in many notations. Year, day or month come first, with names of months and with time zones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tools.tables.columns import Column, Habits, Notes
from tools.tables.kinds import literal, quote

_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p")
_MONTHS = r"(?i)(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_WEEKDAY = r"^(?i:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? "
_NUMERIC = r"^(\d{1,2})[./-](\d{1,2})[./-](\d{2,4})"
_TEXT = "VARCHAR"


@dataclass(frozen=True, slots=True)
class _Seen:
    """Common properties and extremes of all values of a column."""

    first: int
    second: int
    """Largest first and second number of dates such as 31/12/2024; 0 without any."""
    dotted: bool
    slashed: bool
    short_years: bool
    timed: bool
    shifted: bool
    """True if some time has a zone other than UTC."""

    @property
    def day_first(self) -> bool | None:
        """True or False if the values prove the order, else None. 31.12.2024 is never month first."""
        if self.second > 12 or self.first > 12:
            return self.first > 12
        return True if self.dotted and not self.slashed else None

    @property
    def mixes_orders(self) -> bool:
        return self.first > 12 and self.second > 12


def _examine(con: Any, raw: str, column: Column) -> _Seen:
    value = column.value
    first, second = (f"TRY_CAST(regexp_extract({value}, {literal(_NUMERIC)}, {i}) AS INTEGER)" for i in (1, 2))
    seen = con.execute(
        f"SELECT max({first}), max({second}), "  # noqa: S608 - quoted identifiers
        f"bool_or(regexp_matches({value}, '^\\d{{1,2}}\\.')), bool_or(regexp_matches({value}, '^\\d{{1,2}}[/-]')), "
        f"bool_or(regexp_matches({value}, '^\\d{{1,2}}[./-]\\d{{1,2}}[./-]\\d{{2}}([^\\d]|$)')), "
        f"bool_or(contains({value}, ':')), "
        f"bool_or(regexp_matches({value}, ':.*[+-]\\d') AND NOT regexp_matches({value}, '[+-]00(:?00)?$')) "
        f"FROM {quote(raw)}"
    ).fetchall()[0]
    return _Seen(seen[0] or 0, seen[1] or 0, *(bool(each) for each in seen[2:]))


def proven_order(con: Any, raw: str, columns: Sequence[Column]) -> bool | None:
    """Return True if the day comes first in all dates of the file. None if nothing proves it, or columns disagree."""
    seen = [_examine(con, raw, column) for column in columns if column.has("numeric", "numeric time")]
    orders = {each.day_first for each in seen if not each.mixes_orders} - {None}
    return orders.pop() if len(orders) == 1 else None


def reading(con: Any, raw: str, column: Column, habits: Habits, notes: Notes) -> tuple[str, str]:
    """Return expression and type of a column of dates. Every value is a date, with or without a time."""
    seen = _examine(con, raw, column)
    if column.has("iso zone"):
        return _zoned(column, seen, notes)
    if seen.mixes_orders:
        notes.add("{} stays text: some of its dates have the day first, others the month.", column.name)
        return column.value, _TEXT
    forms = []
    if column.has("iso", "iso time"):
        forms.append(_iso(column.value))
    if column.has("numeric", "numeric time"):
        forms.append(_numeric(column, seen, habits, notes))
    if column.has("month day", "day month", "month"):
        forms.append(_named(column.value))
    if column.has("month"):
        notes.add("Read months as their first day in: {}.", column.name)
    if len(forms) > 1:
        notes.add("Dates are written in more than one way, and each was read by its own, in: {}.", column.name)
    expression = f"COALESCE({', '.join(forms)})"
    return (expression, "TIMESTAMP") if seen.timed else (f"CAST({expression} AS DATE)", "DATE")


def _zoned(column: Column, seen: _Seen, notes: Notes) -> tuple[str, str]:
    if not column.is_all({"iso zone"}):
        notes.add("{} stays text: some of its times have a zone and some have none.", column.name)
        return column.value, _TEXT
    if seen.shifted:
        notes.add("Times with a zone are shown in UTC in: {}.", column.name)
    joined = f"regexp_replace({column.value}, ' ?(UTC|GMT)$', 'Z')"
    return f"TRY_CAST(regexp_replace({joined}, ' ([+-])', '\\1') AS TIMESTAMPTZ)", "TIMESTAMP WITH TIME ZONE"


def _iso(value: str) -> str:
    dashes = f"regexp_replace({value}, '^(\\d{{4}})[./](\\d{{1,2}})[./]', '\\1-\\2-')"
    return f"CASE WHEN regexp_matches({value}, '^\\d{{4}}') THEN TRY_CAST({dashes} AS TIMESTAMP) END"


def _numeric(column: Column, seen: _Seen, habits: Habits, notes: Notes) -> str:
    day_first = seen.day_first
    if day_first is None:
        day_first = habits.day_first
    if day_first is None:
        day_first = not habits.is_american
        order, other = ("day/month", "month/day") if day_first else ("month/day", "day/month")
        notes.add(
            f"Read dates as {order} in: {{}}. All of them would fit {other} too; make_date(year(…), day(…), month(…)) "
            "swaps the two.",
            column.name,
        )
    start = "%d/%m/" if day_first else "%m/%d/"
    slashes = f"regexp_replace({column.value}, {literal(_NUMERIC)}, '\\1/\\2/\\3')"
    plain = f"regexp_replace({slashes}, '(\\d),?[T ] ?', '\\1 ')"
    long = f"try_strptime({plain}, {_formats([start + '%Y'])})"
    if not seen.short_years:
        return f"CASE WHEN {_is_numeric(column.value)} THEN {long} END"
    short = f"try_strptime({plain}, {_formats([start + '%y'])})"
    is_short = f"regexp_matches({column.value}, '^\\d{{1,2}}[./-]\\d{{1,2}}[./-]\\d{{2}}([^\\d]|$)')"
    return f"CASE WHEN {is_short} THEN {short} WHEN {_is_numeric(column.value)} THEN {long} END"


def _is_numeric(value: str) -> str:
    return f"regexp_matches({value}, {literal(_NUMERIC)})"


def _named(value: str) -> str:
    """Return the SQL expression for Jan 5, 2024, 5 January 2024, 05-Jan-24 and Jan 2024."""
    plain = f"regexp_replace(regexp_replace({value}, {literal(_WEEKDAY)}, ''), {literal(_MONTHS)}, '\\1')"
    plain = f"regexp_replace({plain}, '[ ,-]+', ' ', 'g')"
    short = f"try_strptime({plain}, {_formats(['%d %b %y'])})"
    is_short = f"regexp_matches({value}, '(?i)[a-z][. -]+\\d{{2}}([^\\d]|$)') AND regexp_matches({plain}, '^\\d')"
    long = f"try_strptime({plain}, {_formats(['%b %d %Y', '%d %b %Y', '%b %Y'])})"
    return f"CASE WHEN {is_short} THEN {short} WHEN regexp_matches({value}, '(?i)[a-z]{{3}}') THEN {long} END"


def _formats(starts: Sequence[str]) -> str:
    return "[" + ", ".join(literal(start + time) for start in starts for time in _TIMES) + "]"
