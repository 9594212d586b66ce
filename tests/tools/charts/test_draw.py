from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tools.charts import chart_spec, draw, fonts
from tools.charts.chart_spec import Chart, Kind, Plot, Series
from tools.errors import ToolFailed

SVG = "{http://www.w3.org/2000/svg}"


def bar(**more: object) -> Chart:
    return Chart(**{"kind": Kind.BAR, "x": "c", "y": ["n"], "title": "T", **more})  # type: ignore[arg-type]


def test_rows_become_one_series_for_each_value_of_the_splitting_column() -> None:
    rows = [["mon", "a", 1], ["mon", "b", 2], ["tue", "a", 3.5]]

    plot = chart_spec.arrange(bar(series="s"), ["c", "s", "n"], rows)

    assert plot == Plot(["mon", "tue"], [Series("a", [1.0, 3.5]), Series("b", [2.0, None])])


def test_several_columns_become_several_series() -> None:
    plot = chart_spec.arrange(bar(y=["n", "m"]), ["c", "n", "m"], [["x", 1, None], ["y", 2, 3]])

    assert plot == Plot(
        ["x", "y"],
        [Series("n", [1.0, 2.0]), Series("m", [None, 3.0])],
        ("1 of 4 values of 'n', 'm' are NULL: a gap, not zero.",),
    )


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
        (bar(), [["a", None], ["b", "NaN"]], "There is nothing to draw: 'n' has no numbers."),
        (bar(kind=Kind.LINE), [["a", None]], "There is nothing to draw: 'n' has no numbers."),
        (bar(kind=Kind.HISTOGRAM, x="n", y=[]), [["a", None]], "There is nothing to draw: 'n' has no numbers."),
        (
            bar(kind=Kind.SCATTER, x="c"),
            [[None, 1], [2, None]],
            "There is nothing to draw: 'n' has no numbers beside 'c'.",
        ),
        (bar(), [["a", 1]] * 5001, "That is more than 5,000 rows. Aggregate in SQL before drawing."),
    ],
)
def test_what_cannot_be_drawn_is_said(chart: Chart, rows: list[list[object]], why: str) -> None:
    with pytest.raises(ToolFailed) as refused:
        chart_spec.arrange(chart, ["c", "n"], rows)

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


def axes_of(draw_part: Callable[..., None], chart: Chart, plot: Plot) -> Axes:
    axes = Figure().add_subplot()
    draw_part(axes, chart, plot)
    return axes


@pytest.mark.parametrize(("kind", "part"), [(Kind.BAR, draw._bars), (Kind.STACKED_BAR, draw._bars)])
def test_a_missing_value_is_a_gap_among_bars(kind: Kind, part: Callable[..., None]) -> None:
    axes = axes_of(part, bar(kind=kind), Plot(["a", "b", "c", "d"], [Series("n", [None, 2.0, 0.0, None])]))

    assert [(round(bar.get_x() + bar.get_width() / 2), bar.get_height()) for bar in axes.patches] == [
        (1, 2.0),
        (2, 0.0),
    ]
    assert [text.get_text() for text in axes.texts] == ["2", "0"]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c", "d"]
    assert axes.get_xlim() == (-0.6, 3.6)


def test_a_missing_value_is_a_gap_among_bars_across() -> None:
    axes = axes_of(draw._bars_across, bar(kind=Kind.BARH), Plot(["a", "b", "c"], [Series("n", [None, 2.0, -1.0])]))

    assert [bar.get_width() for bar in axes.patches] == [2.0, -1.0]
    assert [text.get_text() for text in axes.texts] == ["2", "-1"]
    assert axes.get_ylim() == (2.6, -0.6)


def test_stacks_go_on_above_a_gap() -> None:
    plot = Plot(["a", "b"], [Series("n", [1.0, None]), Series("m", [2.0, 3.0]), Series("o", [-1.0, -2.0])])

    axes = axes_of(draw._bars, bar(kind=Kind.STACKED_BAR), plot)

    assert [(bar.get_y(), bar.get_height()) for bar in axes.patches] == [(0, 1), (1, 2), (0, 3), (0, -1), (0, -2)]


def test_a_line_breaks_at_a_gap_and_a_point_alone_has_a_marker() -> None:
    values = [1.0] * 70
    values[10] = values[12] = None  # type: ignore[call-overload]

    axes = axes_of(draw._lines, bar(kind=Kind.LINE), Plot(list(range(70)), [Series("n", values)]))

    (line,) = axes.lines
    assert [i for i, y in enumerate(line.get_ydata()) if y != y] == [10, 12]
    assert line.get_markevery() == [11]


NOT_DRAWN = {
    "NULL": (
        bar(),
        [["a", None], ["b", 2]],
        Plot(["a", "b"], [Series("n", [None, 2.0])], ("1 of 2 values of 'n' are NULL: a gap, not zero.",)),
    ),
    "NaN and infinity": (
        bar(),
        [["a", "NaN"], ["b", 2], ["c", "-Infinity"]],
        Plot(
            ["a", "b", "c"],
            [Series("n", [None, 2.0, None])],
            ("2 of 3 values of 'n' are not finite: a gap.",),
        ),
    ),
    "a time that is missing": (
        bar(kind=Kind.LINE),
        [["2024-01-01", 1], [None, 2], ["2024-01-02 10:00:00+00", 3]],
        Plot(
            ["2024-01-01", "2024-01-02 10:00:00+00"],
            [Series("n", [1.0, 3.0])],
            ("1 of 3 rows have no 'c' and are left out.",),
        ),
    ),
    "a word that is missing is a category": (
        bar(kind=Kind.LINE),
        [["x", 1], [None, 2]],
        Plot(["x", "(none)"], [Series("n", [1.0, 2.0])]),
    ),
    "points without one of their values": (
        bar(kind=Kind.SCATTER),
        [[1, 1], [None, 2], [3, None]],
        Plot(
            [1.0, 3.0],
            [Series("n", [1.0, None])],
            ("1 of 3 values of 'n' are NULL: left out, not zero.", "1 of 3 rows have no 'c' and are left out."),
        ),
    ),
    "a histogram": (
        bar(kind=Kind.HISTOGRAM, x="n", y=[]),
        [["a", None], ["b", 2]],
        Plot([], [Series("n", [None, 2.0])], ("1 of 2 values of 'n' are NULL: left out, not zero.",)),
    ),
    "a series of nothing": (
        bar(series="c"),
        [["a", 1], ["b", None]],
        None,
    ),
}


@pytest.mark.parametrize("case", NOT_DRAWN)
def test_what_is_not_drawn_is_noted(case: str) -> None:
    chart, rows, plot = NOT_DRAWN[case]

    found = chart_spec.arrange(chart, ["c", "n"], rows)

    if plot is None:
        assert found.notes == ("1 of 2 values of 'n' are NULL: a gap, not zero.", "Nothing is drawn for: b.")
    else:
        assert found == plot


EDGES = {
    "one point": Plot(["a"], [Series("n", [5.0])]),
    "all negative": Plot(["a", "b"], [Series("n", [-5.0, -1.0])]),
    "all the same": Plot(["a", "b"], [Series("n", [0.0, 0.0])]),
    "the largest and the smallest": Plot(["a", "b"], [Series("n", [1e300, -1e-300])]),
    "labels of 200 letters": Plot(["W" * 200, "i" * 200], [Series("x" * 200, [1.0, 2.0]), Series("y", [None, 1.0])]),
    "a label of one emoji and an empty one": Plot(["🎉", ""], [Series("n", [1.0, 2.0])]),
}


@pytest.mark.filterwarnings("error:constrained_layout not applied")
@pytest.mark.parametrize("case", EDGES)
@pytest.mark.parametrize("kind", [Kind.BAR, Kind.BARH, Kind.STACKED_BAR, Kind.LINE])
def test_edge_cases_are_drawn(kind: Kind, case: str) -> None:
    svg, png = draw.render(bar(kind=kind, title="W" * 160), EDGES[case])

    assert png.startswith(b"\x89PNG\r\n")
    assert b"nan" not in svg
    assert 0 < int.from_bytes(png[16:20], "big") < 3000


def test_a_line_of_1000_words_has_few_labels() -> None:
    words = [f"word {i}" for i in range(1000)]

    axes = axes_of(draw._lines, bar(kind=Kind.LINE), Plot(words, [Series("n", [float(i) for i in range(1000)])]))

    assert len(axes.get_xticks()) <= 13


def test_characters_that_no_font_has_are_found() -> None:
    families, missing = fonts.choose("Größe Ελλάδα Казань \U00013000\n")

    assert families[0] == "DejaVu Sans"
    assert missing == "\U00013000"


def test_a_plain_text_needs_one_font() -> None:
    assert fonts.choose("Refunds, 2024") == (["DejaVu Sans"], "")


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

    assert len(set(draw.COLOURS)) == chart_spec.MAX_SERIES == len(set(draw.MARKERS))
    assert all(1.05 / (luminance(colour) + 0.05) >= 3 for colour in draw.COLOURS)
    assert 1.05 / (luminance(draw.FAINT) + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (1234.5, "1,234"),
        (-2.0, "-2"),
        (1_200_000, "1.2 M"),
        (3e9, "3 B"),
        (2.5e12, "2.5 T"),
        (1e300, "1e+300"),
        (0.12345, "0.123"),
    ],
)
def test_numbers_are_plain(value: float, written: str) -> None:
    assert draw.plain_number(value) == written
