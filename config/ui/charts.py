"""Server-rendered SVG charts. Everything is escaped; geometry is in attributes, so a strict CSP holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

LEFT, TOP, BOTTOM = 40, 10, 22


@dataclass(frozen=True, slots=True)
class Plot:
    """Drawing area with a zero line at the bottom."""

    width: int
    height: int
    top_value: float
    unit: str = ""

    def y(self, value: float) -> float:
        inner = self.height - TOP - BOTTOM
        return round(TOP + inner - value / self.top_value * inner, 1)

    @property
    def inner_width(self) -> int:
        return self.width - LEFT - 6

    def grid(self) -> SafeString:
        return format_html_join(
            "",
            '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}{}</text>',
            (
                (LEFT, self.width - 6, self.y(t), self.y(t), LEFT - 8, self.y(t) + 4, self.unit, f"{t:g}")
                for t in _ticks(self.top_value)
            ),
        )

    def wrap(self, title: str, *parts: SafeString) -> SafeString:
        return format_html(
            '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
            self.width,
            self.height,
            title,
            format_html_join("", "{}", ((part,) for part in parts)),
        )


def nice_top(highest: float, *, whole: bool = False) -> float:
    """Return the lowest round end of an axis, in four even steps, that is not below the highest value.

    `whole`: counts have no halves, so neither has the axis.
    """
    for power in range(0 if whole else -4, 12):
        for step in (1, 2, 5) if whole and power == 0 else (1, 2, 2.5, 5):
            if step * 4 * 10.0**power >= highest > 0:
                return round(step * 4 * 10.0**power, 4)
    return 4.0


def _ticks(top: float) -> Iterator[float]:
    for n in range(5):
        yield round(top * n / 4, 6)


def bars(
    data: Sequence[Mapping[str, Any]],
    series: Sequence[Mapping[str, str]],
    *,
    title: str,
    unit: str = "",
    width: int = 720,
    height: int = 200,
    label_every: int = 1,
) -> SafeString:
    """Draw stacked bars. `data`: {"label", "values"}; `series`: {"name", "cls"}, the lowest first."""
    highest = max((sum(d["values"]) for d in data), default=0)
    plot = Plot(width, height, nice_top(highest, whole=isinstance(highest, int)), unit)
    slot = plot.inner_width / max(len(data), 1)
    groups = [_bar(plot, series, d, LEFT + slot * n, slot) for n, d in enumerate(data)]
    labels = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="middle">{}</text>',
        (
            (round(LEFT + slot * (n + 0.5), 1), height - 5, d["label"])
            for n, d in enumerate(data)
            if n % label_every == 0
        ),
    )
    return plot.wrap(title, plot.grid(), *groups, labels)


def _bar(
    plot: Plot, series: Sequence[Mapping[str, str]], row: Mapping[str, Any], left: float, slot: float
) -> SafeString:
    width = round(min(slot * 0.62, 26), 1)
    x = round(left + (slot - width) / 2, 1)
    parts = ", ".join(f"{s['name']} {plot.unit}{v:g}" for s, v in zip(series, row["values"], strict=True) if v)
    rects, below = [], 0.0
    for s, value in zip(series, row["values"], strict=True):
        if not value:
            continue
        top, bottom = plot.y(below + value), plot.y(below)
        gap = 1 if below else 0
        rects.append((s["cls"], x, top, width, round(max(bottom - top - gap, 0.8), 1)))
        below += value
    boxes = format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>', rects)
    return format_html("<g><title>{}: {}</title>{}</g>", row["label"], parts or "none", boxes)


def line(
    values: Sequence[float], labels: Sequence[str], *, title: str, unit: str = "", width: int = 720, height: int = 170
) -> SafeString:
    """Draw one line over an even axis; `labels` are spread from its first to its last point."""
    if not values:
        return SafeString("")
    plot = Plot(width, height, nice_top(max(values), whole=isinstance(max(values), int)), unit)
    step = plot.inner_width / max(len(values) - 1, 1)
    points = " ".join(f"{LEFT + step * n:.1f},{plot.y(v)}" for n, v in enumerate(values))
    ends = f"{LEFT},{plot.y(0)} {points} {LEFT + step * (len(values) - 1):.1f},{plot.y(0)}"
    drawn = format_html('<polygon class="ar" points="{}"/><polyline class="ln" points="{}"/>', ends, points)
    between = plot.inner_width / max(len(labels) - 1, 1)
    anchors = ["start", *["middle"] * (len(labels) - 2), "end"]
    words = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="{}">{}</text>',
        ((round(LEFT + between * n, 1), height - 5, anchors[n], word) for n, word in enumerate(labels)),
    )
    return plot.wrap(title, plot.grid(), drawn, words)


def spark(values: Sequence[float], *, width: int = 120, height: int = 32) -> SafeString:
    """Draw a line without axes, to stand beside a number."""
    if len(values) < 2:
        return SafeString("")
    low, high = min(values), max(values)
    step, span = width / (len(values) - 1), (high - low) or 1
    points = " ".join(
        f"{step * n:.1f},{height - 3 - (v - low) / span * (height - 6):.1f}" for n, v in enumerate(values)
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true">'
        '<polygon class="area" points="0,{h} {p} {w},{h}"/><polyline class="lineplot" points="{p}"/></svg>',
        w=width,
        h=height,
        p=points,
    )


LANE_KINDS = ("model", "tool", "test", "fail", "human", "group", "run")


def budget_bar(standing: Any, label: str) -> SafeString:
    """Draw the spent and the reserved part of a limit, with a mark at 80 %."""
    limit = float(standing.limit_usd or 0)
    spent = min(float(standing.spent_usd) / limit * 100, 100.0) if limit else 100.0
    reserved = min(float(standing.reserved_usd) / limit * 100, 100.0 - spent) if limit else 0.0
    return format_html(
        '<svg class="budget-bar{}" role="img" aria-label="{}: {}%"><rect class="track" width="100%" height="8" y="2"/>'
        '<rect class="spent" width="{}%" height="8" y="2"/><rect class="held" x="{}%" width="{}%" height="8" y="2"/>'
        '<line x1="80%" x2="80%" y1="0" y2="12"/></svg>',
        f" is-{standing.level}" if standing.level else "",
        label,
        standing.percent,
        *(round(part, 2) for part in (spent, spent, reserved)),
    )


def lane(start: float, width: float, kind: str) -> SafeString:
    """Draw one bar of a waterfall; `start` and `width` in percent of the run."""
    grid = format_html_join(
        "", '<line class="grid" x1="{0}%" x2="{0}%" y1="-6" y2="26"/>', ((x,) for x in (25, 50, 75))
    )
    return format_html(
        '<svg class="lane" aria-hidden="true">{}<rect class="b-{}" x="{}%" y="5" width="{}%" height="10"/></svg>',
        grid,
        kind if kind in LANE_KINDS else "group",
        round(min(max(start, 0), 100), 2),
        round(min(max(width, 0.7), 100), 2),
    )
