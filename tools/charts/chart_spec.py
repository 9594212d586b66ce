"""Contents of a chart, and the arrangement of rows into series. Nothing is drawn here."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.errors import ToolFailed

MAX_ROWS = 5000
MAX_SERIES = 8
MAX_BARS = 40
_NOT_FINITE = ("NaN", "Infinity", "-Infinity")
_NO_PLACE = (None, *_NOT_FINITE, "infinity", "-infinity")

Record = Mapping[str, Any]


class Kind(enum.StrEnum):
    BAR = "bar"
    BARH = "barh"
    STACKED_BAR = "stacked_bar"
    LINE = "line"
    SCATTER = "scatter"
    HISTOGRAM = "histogram"


BARS = {Kind.BAR, Kind.BARH, Kind.STACKED_BAR}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Chart that the caller asked for."""

    kind: Kind
    x: str
    y: Sequence[str] = ()
    series: str = ""
    title: str = ""
    x_label: str = ""
    y_label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """Line, or colour of bars: a value (or None) for each x."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Arranged rows. `xs` holds each x once, in the order of the rows; for scatter, one for each point."""

    xs: Sequence[Any]
    series: Sequence[Series]
    notes: Sequence[str] = ()
    """Notes on what is not drawn."""

    @property
    def points(self) -> int:
        """Number of places on the x axis, or of rows, that have a value."""
        return sum(any(value is not None for value in values) for values in zip(*self._values(), strict=True))

    def _values(self) -> list[Sequence[float | None]]:
        return [one.values for one in self.series]


def arrange(chart: Chart, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Plot:
    """Arrange the rows into series. Raises ToolFailed with what to change."""
    if not rows:
        raise ToolFailed("There are no rows to draw.")
    if len(rows) > MAX_ROWS:
        raise ToolFailed(f"That is more than {MAX_ROWS:,} rows. Aggregate in SQL before drawing.")
    for name in [chart.x, *chart.y, *([chart.series] if chart.series else [])]:
        if name not in columns:
            raise ToolFailed(f"There is no column '{name}'. Columns: {', '.join(columns)}.")
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if chart.kind is Kind.HISTOGRAM:
        plot = Plot([], [Series(chart.x, [_number(record, chart.x) for record in records])])
        return _with_gaps_noted(chart, plot, records)
    if not chart.y:
        raise ToolFailed("Name the column to draw in 'y'.")
    if chart.series and len(chart.y) > 1:
        raise ToolFailed("Give either several columns in 'y' or one in 'series', not both.")
    kept = _with_x(chart, records)
    plot = _points(chart, kept) if chart.kind is Kind.SCATTER else _by_x(chart, kept)
    if len(plot.series) > MAX_SERIES:
        raise ToolFailed(
            f"{len(plot.series)} series cannot be told apart. Draw at most {MAX_SERIES}, or sum the rest as 'Other'."
        )
    if chart.kind in BARS and len(plot.xs) > MAX_BARS:
        raise ToolFailed(
            f"{len(plot.xs)} bars cannot be read. Draw at most {MAX_BARS}: ORDER BY … LIMIT, or sum the rest as "
            "'Other'."
        )
    return _with_gaps_noted(chart, plot, records)


def _with_x(chart: Chart, records: Sequence[Record]) -> Sequence[Record]:
    """Return the rows that have a place on the x axis. Among bars, and beside words, a missing x is a category."""
    if chart.kind is Kind.SCATTER:
        return [record for record in records if _number(record, chart.x) is not None]
    if chart.kind is not Kind.LINE:
        return records
    placed = [record for record in records if record[chart.x] not in _NO_PLACE]
    return placed if all(is_place(record[chart.x]) for record in placed) else records


def is_place(x: Any) -> bool:
    """Return True if x is a number or a time."""
    if isinstance(x, int | float):
        return True
    try:
        dt.datetime.fromisoformat(str(x))
    except ValueError:
        return False
    return True


def _with_gaps_noted(chart: Chart, plot: Plot, records: Sequence[Record]) -> Plot:
    """Add notes on what the plot leaves out. Raises ToolFailed if nothing is left."""
    columns = [chart.x] if chart.kind is Kind.HISTOGRAM else list(chart.y)
    named = ", ".join(f"'{name}'" for name in columns)
    if not plot.series or not plot.points:
        raise ToolFailed(f"There is nothing to draw: {named} has no numbers{_beside(chart)}.")
    cells = [record[name] for record in records for name in columns]
    missing, endless = sum(cell is None for cell in cells), sum(_is_not_finite(cell) for cell in cells)
    left_out = "left out" if chart.kind in (Kind.SCATTER, Kind.HISTOGRAM) else "a gap"
    notes = []
    if missing:
        notes.append(f"{missing:,} of {len(cells):,} values of {named} are NULL: {left_out}, not zero.")
    if endless:
        notes.append(f"{endless:,} of {len(cells):,} values of {named} are not finite: {left_out}.")
    if unplaced := len(records) - len(_with_x(chart, records)):
        notes.append(f"{unplaced:,} of {len(records):,} rows have no '{chart.x}' and are left out.")
    empty = [series.name for series in plot.series if all(value is None for value in series.values)]
    if empty:
        notes.append(f"Nothing is drawn for: {', '.join(empty)}.")
    return replace(plot, notes=tuple(notes))


def _beside(chart: Chart) -> str:
    return f" beside '{chart.x}'" if chart.kind is Kind.SCATTER else ""


def _is_not_finite(value: Any) -> bool:
    return value in _NOT_FINITE if isinstance(value, str) else isinstance(value, float) and not math.isfinite(value)


def _by_x(chart: Chart, records: Sequence[Record]) -> Plot:
    xs = list(dict.fromkeys(_key(record[chart.x]) for record in records))
    places = {x: index for index, x in enumerate(xs)}
    found: dict[str, list[float | None]] = {}
    for record in records:
        for column in chart.y:
            name = _label(record[chart.series]) if chart.series else column
            values = found.setdefault(name, [None] * len(xs))
            place = places[_key(record[chart.x])]
            if values[place] is not None:
                who = f" for {name}" if chart.series else ""
                raise ToolFailed(
                    f"'{_label(record[chart.x])}' occurs more than once in '{chart.x}'{who}. Group by it in SQL first."
                )
            values[place] = _number(record, column)
    return Plot(xs, [Series(name, values) for name, values in found.items()])


def _points(chart: Chart, records: Sequence[Record]) -> Plot:
    xs = [_number(record, chart.x) for record in records]
    found: dict[str, list[float | None]] = {}
    for index, record in enumerate(records):
        for column in chart.y:
            name = _label(record[chart.series]) if chart.series else column
            found.setdefault(name, [None] * len(records))[index] = _number(record, column)
    return Plot(xs, [Series(name, values) for name, values in found.items()])


def _key(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else _label(value)


def _label(value: Any) -> str:
    return "(none)" if value is None else str(value)


def _number(record: Record, column: str) -> float | None:
    """Return the number, or None for NULL and infinity.

    Neither has a place on an axis. Raises ToolFailed for other values.
    """
    value = record[column]
    if value is None or _is_not_finite(value):
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolFailed(f"Column '{column}' holds '{str(value)[:40]}', which is not a number.")
    return float(value)
