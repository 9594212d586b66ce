"""Drawing of charts as SVG and PNG, in the limited child process only. matplotlib is large, slow to load and not
thread-safe.
"""

# mypy: disallow-untyped-calls=false
# Only part of matplotlib has types.
from __future__ import annotations

import datetime as dt
import io
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib as mpl
from cycler import cycler
from matplotlib import dates, ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tools import workspace
from tools.charts import fonts
from tools.charts.chart_spec import BARS, MAX_ROWS, Chart, Kind, Plot, arrange, is_place
from tools.tables.asking import TableAnswer, ask
from tools.text import clean

# Each at least 3:1 on white, and told apart with the common kinds of colour blindness in this order; lines differ in
# marker too.
COLOURS = ("#4457c9", "#b4690e", "#0e8577", "#b83a7e", "#5b6577", "#4f8a10", "#c8432b", "#2b7fb8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_PNG_DPI = 160
_MARGIN = 0.15  # inches
_MAX_SHOWN = 20
"""Characters without a font that a note lists."""
INK, FAINT, GRID = "#1d2433", "#5b6577", "#e3e6ec"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "axes.edgecolor": GRID,
    "axes.prop_cycle": cycler(color=list(COLOURS)),
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "deskhand",
}


def in_child(
    root: str,
    chart: dict[str, Any],
    name: str,
    sql: str | None,
    columns: list[str] | None,
    rows: list[list[Any]] | None,
    scratch: str,
) -> dict[str, Any]:
    """Draw `<name>.svg` and `<name>.png` into the workspace. Return what was drawn, with notes."""
    notes: Sequence[str] = []
    if sql is not None:
        answer = ask(Path(root), sql, MAX_ROWS + 1, Path(scratch))
        columns, rows, notes = [column.name for column in answer.columns], _numbers(answer), answer.notes
    spec = Chart(**{**chart, "kind": Kind(chart["kind"])})
    plot = arrange(spec, columns or [], rows or [])
    svg, png = render(spec, plot)
    if missing := fonts.choose(_all_text(spec, plot))[1]:
        shown = (
            missing if len(missing) <= _MAX_SHOWN else f"{missing[:_MAX_SHOWN]} and {len(missing) - _MAX_SHOWN} more"
        )
        notes = [
            *notes,
            f"No font of this server has {shown}: the PNG shows boxes instead, the SVG the reader's fonts.",
        ]
    workspace.write(Path(root), f"{name}.svg", svg)
    workspace.write(Path(root), f"{name}.png", png)
    return {
        "columns": columns,
        "rows": rows,
        "points": plot.points,
        "notes": [*notes, *plot.notes],
    }


def _numbers(answer: TableAnswer) -> list[list[Any]]:
    """Return the rows, with numbers that JSON cannot hold exactly rounded."""
    numeric = [column.is_number for column in answer.columns]
    return [
        [_rounded(value) if is_number else value for value, is_number in zip(row, numeric, strict=True)]
        for row in answer.rows
    ]


def _rounded(value: Any) -> Any:
    return float(value) if isinstance(value, str) else value


def _all_text(chart: Chart, plot: Plot) -> str:
    words = [chart.title, chart.x_label, chart.y_label, chart.x, *chart.y, *(series.name for series in plot.series)]
    return clean(" ".join([*words, *(str(x) for x in plot.xs)]))


def render(chart: Chart, plot: Plot) -> tuple[bytes, bytes]:
    """Return the chart as SVG and PNG; the same input gives the same bytes."""
    with mpl.rc_context({**_STYLE, "font.family": fonts.choose(_all_text(chart, plot))[0]}):
        layout = ConstrainedLayoutEngine(w_pad=_MARGIN, h_pad=_MARGIN)
        figure = Figure(figsize=_size(chart, plot), layout=layout)
        axes = figure.add_subplot()
        {
            Kind.BAR: _bars,
            Kind.STACKED_BAR: _bars,
            Kind.BARH: _bars_across,
            Kind.LINE: _lines,
            Kind.SCATTER: _scatter,
            Kind.HISTOGRAM: _histogram,
        }[chart.kind](axes, chart, plot)
        _add_labels(figure, axes, chart, plot)
        svg, png = io.BytesIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        figure.dpi = _PNG_DPI
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return _clean_svg(svg.getvalue().decode(), chart), png.getvalue()


def _size(chart: Chart, plot: Plot) -> tuple[float, float]:
    """Return the size in inches: horizontal bars need height, vertical bars need width."""
    if chart.kind is Kind.BARH:
        return 8.0, max(3.0, 1.4 + 0.32 * len(plot.xs) * max(1, len(plot.series) * 0.6))
    if chart.kind in BARS:
        return min(14.0, max(7.0, 2.0 + 0.42 * len(plot.xs) * max(1, len(plot.series) * 0.5))), 4.5
    return 8.0, 4.5


def _bars(axes: Axes, chart: Chart, plot: Plot) -> None:
    labels = [_wrap(x, 16) for x in plot.xs]
    stacked = chart.kind is Kind.STACKED_BAR
    slots = 1 if stacked else len(plot.series)
    above, below = [0.0] * len(plot.xs), [0.0] * len(plot.xs)
    for index, series in enumerate(plot.series):
        shown = [(i, value) for i, value in enumerate(series.values) if value is not None]  # NULL is a gap, not 0
        values = [value for _, value in shown]
        base = [(above[i] if value >= 0 else below[i]) if stacked else 0.0 for i, value in shown]
        places = [i + (0 if stacked else (index - (slots - 1) / 2) * 0.8 / slots) for i, _ in shown]
        axes.bar(
            places,
            values,
            0.8 / slots,
            base,
            label=_wrap(series.name, 22, lines=2),
            color=COLOURS[index],
            edgecolor="white",
            zorder=2,
        )
        for i, value in shown:
            (above if value >= 0 else below)[i] += value
    crowded = len(labels) > 8 or max(len(line) for label in labels for line in label.split("\n")) * len(labels) > 90
    axes.set_xticks(range(len(labels)), labels, rotation=40 if crowded else 0, ha="right" if crowded else "center")
    axes.set_xlim(-0.6, len(labels) - 0.4)  # keep the place of a gap at the edge
    if len(plot.series) == 1 and len(labels) <= 12:
        _value_labels(axes)


def _bars_across(axes: Axes, chart: Chart, plot: Plot) -> None:
    slots = len(plot.series)
    for index, series in enumerate(plot.series):
        shown = [(i, value) for i, value in enumerate(series.values) if value is not None]
        places = [i + (index - (slots - 1) / 2) * 0.8 / slots for i, _ in shown]
        values = [value for _, value in shown]
        axes.barh(places, values, 0.8 / slots, label=_wrap(series.name, 22, lines=2), color=COLOURS[index], zorder=2)
    axes.set_yticks(range(len(plot.xs)), [_wrap(x, 32) for x in plot.xs])
    axes.set_ylim(len(plot.xs) - 0.4, -0.6)
    if slots == 1 and len(plot.xs) <= 25:
        _value_labels(axes)


def _lines(axes: Axes, chart: Chart, plot: Plot) -> None:
    xs, is_time = _positions(plot.xs)
    order = sorted(range(len(xs)), key=xs.__getitem__)
    for index, series in enumerate(plot.series):
        points = [value if (value := series.values[i]) is not None else math.nan for i in order]
        # A point between two gaps makes no line, so it needs a marker.
        marked = range(len(points)) if len(points) <= 60 else _alone(points)
        look: dict[str, Any] = {"color": COLOURS[index], "marker": MARKERS[index], "ms": 4, "lw": 2}
        axes.plot([xs[i] for i in order], points, label=_wrap(series.name, 22, lines=2), markevery=list(marked), **look)
    if is_time:
        locator = dates.AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    elif any(isinstance(x, str) for x in plot.xs):
        step = max(1, len(xs) // 12)
        axes.set_xticks(
            range(0, len(xs), step), [_wrap(x, 16) for x in plot.xs[::step]], rotation=40 if len(xs) > 8 else 0
        )


def _alone(points: Sequence[float]) -> list[int]:
    """Return the indexes of values between two gaps."""
    padded = [math.nan, *points, math.nan]
    return [
        i
        for i, value in enumerate(points)
        if not math.isnan(value) and math.isnan(padded[i]) and math.isnan(padded[i + 2])
    ]


def _scatter(axes: Axes, chart: Chart, plot: Plot) -> None:
    for index, series in enumerate(plot.series):
        pairs = [(x, y) for x, y in zip(plot.xs, series.values, strict=True) if x is not None and y is not None]
        if not pairs:
            continue
        across, up = zip(*pairs, strict=True)
        look: dict[str, Any] = {"color": COLOURS[index], "marker": MARKERS[index], "s": 22, "alpha": 0.75}
        axes.scatter(across, up, label=_wrap(series.name, 22, lines=2), **look)


def _histogram(axes: Axes, chart: Chart, plot: Plot) -> None:
    values = [value for value in plot.series[0].values if value is not None]
    axes.hist(values, bins=min(30, max(5, round(len(values) ** 0.5))), color=COLOURS[0], edgecolor="white", zorder=2)


def _add_labels(figure: Figure, axes: Axes, chart: Chart, plot: Plot) -> None:
    """Add title, labels, grid and legend."""
    across = chart.kind is Kind.BARH
    value_label = (
        "Number of rows" if chart.kind is Kind.HISTOGRAM else _label_of(chart.y[0]) if len(chart.y) == 1 else ""
    )
    x_label, y_label = _short(chart.x_label or _label_of(chart.x), 60), _short(chart.y_label or value_label, 60)
    axes.set_xlabel(y_label if across else x_label)
    axes.set_ylabel(x_label if across else y_label)
    if chart.title:
        # Above the figure, not the axes: beside long labels there is little room above the axes.
        figure.suptitle(_wrap(chart.title, 68, lines=4), x=0.02, ha="left", fontweight="bold", fontsize=12)
    axes.grid(visible=True, axis="x" if across else "y", color=GRID, linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)
    numbers = axes.xaxis if across else axes.yaxis
    numbers.set_major_formatter(ticker.FuncFormatter(lambda value, _: plain_number(value)))
    if len(plot.series) > 1:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), labelcolor=INK)


def _value_labels(axes: Axes) -> None:
    for bars in axes.containers:
        axes.bar_label(bars, fmt=plain_number, padding=3, fontsize=9, color=INK)  # type: ignore[arg-type]
    axes.margins(x=0.12) if axes.yaxis_inverted() else axes.margins(y=0.12)


def plain_number(value: float) -> str:
    """Format a number: 12,345, 0.25 or 1.2 M; with an exponent only from 1e15 on."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    for size, unit in ((1e12, " T"), (1e9, " B"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:,.1f}".removesuffix(".0") + unit
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3g}"


def _positions(xs: Sequence[Any]) -> tuple[list[float], bool]:
    """Return positions on the x axis, and True if they are times. Other values keep the order of the rows."""
    if all(isinstance(x, int | float) for x in xs):
        return [float(x) for x in xs], False
    if not all(isinstance(x, str) and is_place(x) for x in xs):
        return [float(i) for i in range(len(xs))], False
    times = [dt.datetime.fromisoformat(x).replace(tzinfo=None) for x in xs]
    return [float(value) for value in dates.date2num(times)], True


def _wrap(value: Any, width: int, lines: int = 3) -> str:
    return "\n".join(_fill(_short(value, width * lines), width)[:lines]) or "(empty)"


def _fill(text: str, width: int) -> list[str]:
    """Wrap the text into lines of at most `width` average letters. Capitals and East Asian characters count as more."""
    lines = [""]
    for word in text.split():
        if lines[-1] and _room(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for letter in word:
            if _room(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _room(text: str) -> float:
    return sum(2.0 if one in "WM" or east_asian_width(one) in "WF" else 1.4 if one.isupper() else 1.0 for one in text)


def _label_of(column: str) -> str:
    """Turn a column name into a label: refund_usd becomes Refund usd."""
    text = column.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _short(value: Any, limit: int = 40) -> str:
    text = " ".join(clean(str(value)).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _clean_svg(svg: str, chart: Chart) -> bytes:
    """Remove the DOCTYPE, which names a remote file, and add a name for screen readers."""
    svg = re.sub(r"<!DOCTYPE[^>]*>\s*", "", svg, count=1)
    name = (chart.title or f"{chart.kind.value} chart of {chart.x}").replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(
        r"(<svg )([^>]*>)", rf'\1role="img" \2\n <title>{_escape_backref(name)}</title>', svg, count=1
    ).encode()


def _escape_backref(text: str) -> str:
    return clean(text).replace("\\", "\\\\")
