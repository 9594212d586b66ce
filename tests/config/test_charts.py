from __future__ import annotations

import re

import pytest
from defusedxml import ElementTree

from config.ui import charts

NASTY = '"><script>alert(1)</script>'
SERIES = [{"name": "Done", "cls": "c-ok"}, {"name": "Failed", "cls": "c-bad"}]


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (0.03, 0.04), (1, 1), (3, 4), (9, 10), (38, 40), (41, 80), (180, 200), (-3, 4)]
)
def test_the_axis_ends_at_a_round_number(highest, top):
    assert charts.nice_top(highest) == top


@pytest.mark.parametrize(("highest", "top"), [(1, 4), (3, 4), (9, 20), (38, 40), (90, 100)])
def test_the_axis_of_counts_has_no_halves(highest, top):
    assert charts.nice_top(highest, whole=True) == top


def test_bars_stack_from_the_zero_line():
    svg = charts.bars([{"label": "Mon", "values": [30, 10]}], SERIES, title="Runs", height=200)

    rects = ElementTree.fromstring(svg).findall(".//rect")
    low, high = rects
    assert [r.get("class") for r in rects] == ["c-ok", "c-bad"]
    assert float(low.get("y")) + float(low.get("height")) == pytest.approx(178)
    assert float(high.get("y")) == 10
    assert "Mon: Done 30, Failed 10" in svg


def test_an_empty_chart_is_a_grid():
    svg = charts.bars([], SERIES, title="Runs")

    assert ElementTree.fromstring(svg).findall(".//rect") == []
    assert charts.line([], [], title="Runs") == ""
    assert charts.spark([1]) == ""


@pytest.mark.parametrize(
    "svg",
    [
        charts.bars([{"label": NASTY, "values": [1, 0]}], [{"name": NASTY, "cls": NASTY}] * 2, title=NASTY, unit=NASTY),
        charts.line([1, 2], [NASTY, NASTY], title=NASTY, unit=NASTY),
        charts.lane(0, 10, NASTY),
    ],
)
def test_what_data_says_is_text(svg):
    tree = ElementTree.fromstring(svg)

    assert tree.findall(".//script") == []
    assert {e.tag for e in tree.iter()} <= {"svg", "g", "title", "text", "line", "rect", "polygon", "polyline"}


@pytest.mark.parametrize("svg", [charts.line([3, 1, 2], ["a", "b"], title="t"), charts.spark([1, 2, 3])])
def test_geometry_needs_no_style_attribute(svg):
    assert re.search(r"style=|<style", svg) is None
    assert "nan" not in svg.lower()


def test_a_lane_stays_inside_its_row():
    assert 'x="100" ' not in charts.lane(240, -3, "model")
    assert 'x="100%"' in charts.lane(240, -3, "model")
    assert 'width="0.7%"' in charts.lane(240, -3, "model")
    assert 'class="b-group"' in charts.lane(0, 1, "anything")
