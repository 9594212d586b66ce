"""What a chart shows, and how rows become its series. No drawing in here."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.errors import ToolFailed

MAX_ROWS = 5000
MAX_SERIES = 8
MAX_BARS = 40


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
    """What the caller asked for."""

    kind: Kind
    x: str
    y: Sequence[str] = ()
    series: str = ""
    title: str = ""
    x_label: str = ""
    y_label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or one colour of bars: a value (or None) for each x."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Plot:
    """Rows, arranged. `xs` holds each x once, in the order of the rows; for scatter, each point's."""

    xs: Sequence[Any]
    series: Sequence[Series]


def arrange(chart: Chart, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> Plot:
    """The series of the chart, or ToolFailed with what to change."""
    if not rows:
        raise ToolFailed("There are no rows to draw.")
    if len(rows) > MAX_ROWS:
        raise ToolFailed(f"That is more than {MAX_ROWS:,} rows. Aggregate in SQL before drawing.")
    for name in [chart.x, *chart.y, *([chart.series] if chart.series else [])]:
        if name not in columns:
            raise ToolFailed(f"There is no column '{name}'. Columns: {', '.join(columns)}.")
    records = [dict(zip(columns, row, strict=True)) for row in rows]
    if chart.kind is Kind.HISTOGRAM:
        return Plot([], [Series(chart.x, [_number(record, chart.x) for record in records])])
    if not chart.y:
        raise ToolFailed("Name the column to draw in 'y'.")
    if chart.series and len(chart.y) > 1:
        raise ToolFailed("Give either several columns in 'y' or one in 'series', not both.")
    plot = _points(chart, records) if chart.kind is Kind.SCATTER else _by_x(chart, records)
    if len(plot.series) > MAX_SERIES:
        raise ToolFailed(
            f"{len(plot.series)} series cannot be told apart. Draw at most {MAX_SERIES}, or sum the rest as 'Other'."
        )
    if chart.kind in BARS and len(plot.xs) > MAX_BARS:
        raise ToolFailed(
            f"{len(plot.xs)} bars cannot be read. Draw at most {MAX_BARS}: ORDER BY … LIMIT, or sum the rest as "
            "'Other'."
        )
    return plot


def _by_x(chart: Chart, records: Sequence[Mapping[str, Any]]) -> Plot:
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


def _points(chart: Chart, records: Sequence[Mapping[str, Any]]) -> Plot:
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


def _number(record: Mapping[str, Any], column: str) -> float | None:
    value = record[column]
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ToolFailed(f"Column '{column}' holds '{str(value)[:40]}', which is not a number.")
    return float(value)
