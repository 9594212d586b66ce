from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tools.charts import draw, spec
from tools.charts.spec import Chart, Kind, Plot, Series
from tools.errors import ToolFailed

SVG = "{http://www.w3.org/2000/svg}"


def bar(**more: object) -> Chart:
    return Chart(**{"kind": Kind.BAR, "x": "c", "y": ["n"], "title": "T", **more})  # type: ignore[arg-type]


def test_rows_become_one_series_for_each_value_of_the_splitting_column() -> None:
    rows = [["mon", "a", 1], ["mon", "b", 2], ["tue", "a", 3.5]]

    plot = spec.arrange(bar(series="s"), ["c", "s", "n"], rows)

    assert plot == Plot(["mon", "tue"], [Series("a", [1.0, 3.5]), Series("b", [2.0, None])])


def test_several_columns_become_several_series() -> None:
    plot = spec.arrange(bar(y=["n", "m"]), ["c", "n", "m"], [["x", 1, None], ["y", 2, 3]])

    assert plot == Plot(["x", "y"], [Series("n", [1.0, 2.0]), Series("m", [None, 3.0])])


@pytest.mark.parametrize(
    ("chart", "rows", "why"),
    [
        (bar(), [], "There are no rows to draw."),
        (bar(x="z"), [["a", 1]], "There is no column 'z'. Columns: c, n."),
        (bar(y=[]), [["a", 1]], "Name the column to draw in 'y'."),
        (bar(y=["n", "c"], series="c"), [["a", 1]], "Give either several columns in 'y' or one in 'series', not both."),
        (bar(), [["a", "much"]], "Column 'n' holds 'much', which is not a number."),
        (bar(), [["a", True]], "Column 'n' holds 'True', which is not a number."),
        (bar(), [["a", 1], ["a", 2]], "'a' occurs more than once in 'c'. Group by it in SQL first."),
        (
            bar(),
            [[f"b{i}", 1] for i in range(41)],
            "41 bars cannot be read. Draw at most 40: ORDER BY … LIMIT, or sum the rest as 'Other'.",
        ),
        (
            bar(x="n", y=["n"], series="c"),
            [[f"s{i}", 1] for i in range(9)],
            "9 series cannot be told apart. Draw at most 8, or sum the rest as 'Other'.",
        ),
        (bar(), [["a", 1]] * 5001, "That is more than 5,000 rows. Aggregate in SQL before drawing."),
    ],
)
def test_what_cannot_be_drawn_is_said(chart: Chart, rows: list[list[object]], why: str) -> None:
    with pytest.raises(ToolFailed) as refused:
        spec.arrange(chart, ["c", "n"], rows)

    assert str(refused.value) == why


PLOTS = {
    Kind.BAR: Plot(["a", "b"], [Series("n", [1.0, 2.0]), Series("m", [None, -3.0])]),
    Kind.BARH: Plot(["a long label that has to be wrapped somewhere", "b"], [Series("n", [1.0, 2.0])]),
    Kind.STACKED_BAR: Plot(["a", "b"], [Series("n", [1.0, -2.0]), Series("m", [4.0, 3.0])]),
    Kind.LINE: Plot(["2024-01-01", "2024-02-01"], [Series("n", [1.0, None]), Series("m", [4.0, 3.0])]),
    Kind.SCATTER: Plot([1.0, None, 3.0], [Series("n", [1.0, 2.0, 3.0])]),
    Kind.HISTOGRAM: Plot([], [Series("c", [1.0, 2.0, None, 2.0])]),
}


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_is_drawn_and_the_same_input_gives_the_same_bytes(kind: Kind) -> None:
    chart = bar(kind=kind, y=[] if kind is Kind.HISTOGRAM else ["n"])

    svg, png = draw.render(chart, PLOTS[kind])

    assert png.startswith(b"\x89PNG\r\n")
    assert (svg, png) == draw.render(chart, PLOTS[kind])
    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert root.tag == f"{SVG}svg"
    assert root.find(f"{SVG}title").text == "T"  # type: ignore[union-attr]


def test_hostile_text_is_text_and_nothing_is_loaded_from_elsewhere() -> None:
    bad = '</text><script>alert(1)</script><image href="http://evil.test/x.png"/>'
    chart = bar(title=f"Costs $5 & $10 {bad}", x_label=bad, y_label=r"\frac{1}{2} \1 \g<0>")

    svg, _ = draw.render(
        chart, Plot([bad, "b\x00\u202e", "$x^2$"], [Series(bad, [1.0, 2.0, 3.0]), Series("$", [1.0, 2.0, 3.0])])
    )

    root = ET.fromstring(svg)  # noqa: S314 - our own
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        "svg", "title", "defs", "style", "g", "path", "text", "use", "clipPath", "rect", "tspan",
    }  # fmt: skip
    links = {value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")}
    assert all(link.startswith("#") for link in links)
    assert set(re.findall(rb'http[^"]*', re.sub(rb"<(text|title)[^>]*>.*?</\1>", b"", svg, flags=re.DOTALL))) == {
        b"http://www.w3.org/1999/xlink",
        b"http://www.w3.org/2000/svg",
    }
    assert b"<!DOCTYPE" not in svg
    texts = "".join(root.itertext())
    assert "Costs $5 & $10 </text><script>" in texts
    assert "$x^2$" in texts
    assert r"\frac{1}{2} \1 \g<0>" in texts
    assert "\u202e" not in texts


def test_colours_are_seen_on_white() -> None:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    assert len(set(draw.COLOURS)) == spec.MAX_SERIES == len(set(draw.MARKERS))
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in draw.COLOURS)
    assert 1.05 / (luminance(draw.FAINT) + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.25, "0.25"), (1234.5, "1,234"), (-2.0, "-2"), (1_200_000, "1.2 M"), (3e9, "3 B"), (0.12345, "0.123")],
)
def test_numbers_are_plain(value: float, written: str) -> None:
    assert draw.plain_number(value) == written
