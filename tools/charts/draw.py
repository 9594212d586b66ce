"""Draw a chart as SVG and PNG. Runs in the confined child process only: matplotlib is large, slow to load and not
thread-safe.
"""

# mypy: disallow-untyped-calls=false
# matplotlib types only part of itself.
from __future__ import annotations

import datetime as dt
import io
import math
import re
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib import dates, font_manager, ticker
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from tools import workspace
from tools.charts.spec import BARS, MAX_ROWS, Chart, Kind, Plot, arrange
from tools.errors import ToolFailed
from tools.tables.asking import ask
from tools.text import clean

# Each at least 3:1 on white, and told apart with the common kinds of colour blindness in this order; lines differ in
# marker too.
COLOURS = ("#4457c9", "#b4690e", "#0e8577", "#b83a7e", "#5b6577", "#4f8a10", "#c8432b", "#2b7fb8")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_MORE_FONTS = ("Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Sans Arabic", "Noto Sans Devanagari")
_PNG_DPI = 160
_MARGIN = 0.15  # inches
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
    """Draw `<name>.svg` and `<name>.png` into the workspace; says what was drawn."""
    notes: Sequence[str] = []
    if sql is not None:
        answer = ask(Path(root), sql, MAX_ROWS + 1, Path(scratch))
        columns, rows, notes = (
            [column.name for column in answer.columns],
            [list(row) for row in answer.rows],
            answer.notes,
        )
    spec = Chart(**{**chart, "kind": Kind(chart["kind"])})
    plot = arrange(spec, columns or [], rows or [])
    svg, png = render(spec, plot)
    workspace.write(Path(root), f"{name}.svg", svg)
    workspace.write(Path(root), f"{name}.png", png)
    return {
        "columns": columns,
        "rows": rows,
        "points": len(plot.xs) or len(plot.series[0].values),
        "notes": list(notes),
    }


def render(chart: Chart, plot: Plot) -> tuple[bytes, bytes]:
    """The chart as SVG and as PNG; the same input gives the same bytes."""
    with mpl.rc_context({**_STYLE, "font.family": _fonts()}):
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
        _dress(axes, chart, plot)
        svg, png = io.BytesIO(), io.BytesIO()
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        figure.dpi = _PNG_DPI
        FigureCanvasAgg(figure).print_png(png, metadata={"Software": None})
    return _tidy(svg.getvalue().decode(), chart), png.getvalue()


def _fonts() -> list[str]:
    """DejaVu comes with matplotlib; for scripts that it lacks, what this machine has."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in _MORE_FONTS if name in installed)]


def _size(chart: Chart, plot: Plot) -> tuple[float, float]:
    """Inches. Bars across need height for each, upright bars need width."""
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
        values = [value or 0.0 for value in series.values]
        base = (
            [above[i] if value >= 0 else below[i] for i, value in enumerate(values)] if stacked else [0.0] * len(values)
        )
        places = [i + (0 if stacked else (index - (slots - 1) / 2) * 0.8 / slots) for i in range(len(values))]
        axes.bar(
            places,
            values,
            0.8 / slots,
            base,
            label=_short(series.name),
            color=COLOURS[index],
            edgecolor="white",
            zorder=2,
        )
        for i, value in enumerate(values):
            (above if value >= 0 else below)[i] += value
    crowded = len(labels) > 8 or max(len(line) for label in labels for line in label.split("\n")) * len(labels) > 90
    axes.set_xticks(range(len(labels)), labels, rotation=40 if crowded else 0, ha="right" if crowded else "center")
    if len(plot.series) == 1 and len(labels) <= 12:
        _value_labels(axes)


def _bars_across(axes: Axes, chart: Chart, plot: Plot) -> None:
    slots = len(plot.series)
    for index, series in enumerate(plot.series):
        places = [i + (index - (slots - 1) / 2) * 0.8 / slots for i in range(len(plot.xs))]
        values = [value or 0.0 for value in series.values]
        axes.barh(places, values, 0.8 / slots, label=_short(series.name), color=COLOURS[index], zorder=2)
    axes.set_yticks(range(len(plot.xs)), [_wrap(x, 32) for x in plot.xs])
    axes.invert_yaxis()
    if slots == 1 and len(plot.xs) <= 25:
        _value_labels(axes)


def _lines(axes: Axes, chart: Chart, plot: Plot) -> None:
    xs, is_time = _positions(plot.xs)
    order = sorted(range(len(xs)), key=xs.__getitem__)
    for index, series in enumerate(plot.series):
        marker = MARKERS[index] if len(xs) <= 60 else None
        points = [value if (value := series.values[i]) is not None else math.nan for i in order]
        axes.plot(
            [xs[i] for i in order], points, label=_short(series.name), color=COLOURS[index], marker=marker, ms=4, lw=2
        )
    if is_time:
        locator = dates.AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    elif any(isinstance(x, str) for x in plot.xs):
        step = max(1, len(xs) // 12)
        axes.set_xticks(
            range(0, len(xs), step), [_wrap(x, 16) for x in plot.xs[::step]], rotation=40 if len(xs) > 8 else 0
        )


def _scatter(axes: Axes, chart: Chart, plot: Plot) -> None:
    for index, series in enumerate(plot.series):
        pairs = [(x, y) for x, y in zip(plot.xs, series.values, strict=True) if x is not None and y is not None]
        if not pairs:
            continue
        across, up = zip(*pairs, strict=True)
        look: dict[str, Any] = {"color": COLOURS[index], "marker": MARKERS[index], "s": 22, "alpha": 0.75}
        axes.scatter(across, up, label=_short(series.name), **look)


def _histogram(axes: Axes, chart: Chart, plot: Plot) -> None:
    values = [value for value in plot.series[0].values if value is not None]
    if not values:
        raise ToolFailed(f"Column '{chart.x}' holds no numbers.")
    axes.hist(values, bins=min(30, max(5, round(len(values) ** 0.5))), color=COLOURS[0], edgecolor="white", zorder=2)


def _dress(axes: Axes, chart: Chart, plot: Plot) -> None:
    """Title, labels, grid and legend."""
    across = chart.kind is Kind.BARH
    value_label = "Number of rows" if chart.kind is Kind.HISTOGRAM else _words(chart.y[0]) if len(chart.y) == 1 else ""
    x_label, y_label = _short(chart.x_label or _words(chart.x), 60), _short(chart.y_label or value_label, 60)
    axes.set_xlabel(y_label if across else x_label)
    axes.set_ylabel(x_label if across else y_label)
    if chart.title:
        axes.set_title(textwrap.fill(_short(chart.title, 160), 70), loc="left", fontweight="bold", fontsize=12, pad=12)
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
    """12,345 and 0.25 and 1.2 M, never 1e6."""
    for size, unit in ((1e9, " B"), (1e6, " M")):
        if abs(value) >= size:
            return f"{value / size:,.1f}".removesuffix(".0") + unit
    return f"{value:,.0f}" if abs(value) >= 1000 or float(value).is_integer() else f"{value:.3g}"


def _positions(xs: Sequence[Any]) -> tuple[list[float], bool]:
    """Numbers for the x axis, and whether they are times. Anything else keeps the order of the rows."""
    if all(isinstance(x, int | float) for x in xs):
        return [float(x) for x in xs], False
    try:
        times = [dt.datetime.fromisoformat(str(x)).replace(tzinfo=None) for x in xs]
    except ValueError:
        return [float(i) for i in range(len(xs))], False
    return [float(value) for value in dates.date2num(times)], True


def _wrap(value: Any, width: int) -> str:
    return "\n".join(textwrap.wrap(_short(value, width * 3), width)) or "(empty)"


def _words(column: str) -> str:
    """refund_usd → Refund usd."""
    text = column.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def _short(value: Any, limit: int = 40) -> str:
    text = " ".join(clean(str(value)).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _tidy(svg: str, chart: Chart) -> bytes:
    """No DOCTYPE (it names a remote file), and a name for screen readers."""
    svg = re.sub(r"<!DOCTYPE[^>]*>\s*", "", svg, count=1)
    name = (chart.title or f"{chart.kind.value} chart of {chart.x}").replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(
        r"(<svg )([^>]*>)", rf'\1role="img" \2\n <title>{_escape_backref(name)}</title>', svg, count=1
    ).encode()


def _escape_backref(text: str) -> str:
    return clean(text).replace("\\", "\\\\")
