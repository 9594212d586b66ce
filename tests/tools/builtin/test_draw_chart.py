from __future__ import annotations

import pytest

from config.ui.markdown import render
from tools import runner
from tools.builtin import draw_chart
from tools.spec import ToolContext, ToolResult


def draw(ctx: ToolContext, **arguments: object) -> ToolResult:
    return runner.run_tool(draw_chart.SPEC, ctx, arguments)


def test_a_query_is_drawn_as_svg_and_png(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text("day,kind,n\n2024-01-01,a,1\n2024-01-01,b,2\n2024-01-02,a,3\n")

    drawn = draw(
        ctx,
        kind="line",
        sql="SELECT day, kind, n FROM t",
        x="day",
        y="n",
        split_by="kind",
        title="Two kinds",
        path="out/c.png",
    )

    assert (
        drawn.content
        == "Drew 2 points as out/c.svg and out/c.png. Show it in a report with ![What it shows](out/c.svg)."
    )
    assert drawn.data["rows"] == [["2024-01-01", "a", 1], ["2024-01-01", "b", 2], ["2024-01-02", "a", 3]]
    svg = (ctx.workspace / "out/c.svg").read_text()
    assert all(f">{word}</text>" in svg for word in ("a", "b", "Two kinds", "Day", "N"))
    assert (ctx.workspace / "out/c.png").read_bytes().startswith(b"\x89PNG")


def test_given_data_is_drawn(ctx: ToolContext) -> None:
    drawn = draw(
        ctx,
        kind="barh",
        labels=["Delivery (40 rows)", "Defect (2 rows)"],
        series=[{"name": "average refund", "values": [12.5, 3]}],
        title="Refunds",
        path="chart.svg",
    )

    assert not drawn.is_error
    svg = (ctx.workspace / "chart.svg").read_text()
    assert all(f">{word}</text>" in svg for word in ("Delivery (40 rows)", "Defect (2 rows)", "12.5", "Average refund"))


def test_missing_values_are_told_and_an_exact_decimal_is_drawn(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text("k,n\na,1\nb,\n")

    drawn = draw(ctx, kind="bar", sql="SELECT k, n * 1.00000000000000000001::DECIMAL(30,20) AS n FROM t", x="k", y="n")

    assert drawn.content == (
        "Drew 1 points as chart.svg and chart.png. Show it in a report with ![What it shows](chart.svg).\n"
        "Note: 1 of 2 values of 'n' are NULL: a gap, not zero."
    )
    assert drawn.data["rows"] == [["a", 1.0], ["b", None]]
    assert drawn.data["notes"] == ["1 of 2 values of 'n' are NULL: a gap, not zero."]


def test_a_chart_of_nothing_is_a_sentence_and_no_file(ctx: ToolContext) -> None:
    (ctx.workspace / "t.csv").write_text("k,n,w\na,,1\nb,,2\n")

    drawn = draw(ctx, kind="bar", sql="SELECT k, n FROM t", x="k", y="n")

    assert drawn.is_error
    assert drawn.content == "There is nothing to draw: 'n' has no numbers."
    assert [path.name for path in ctx.workspace.iterdir()] == ["t.csv"]


def test_a_script_without_a_font_is_told(ctx: ToolContext) -> None:
    drawn = draw(ctx, kind="bar", labels=["\U00013000", "b"], series=[{"name": "n", "values": [1, 2]}])

    assert drawn.content.endswith(
        "Note: No font of this server has \U00013000: the PNG shows boxes instead, the SVG the reader's fonts."
    )


@pytest.mark.parametrize(
    ("path", "written", "link"),
    [
        ("my chart (1)", "my chart (1).svg", "my%20chart%20%281%29.svg"),
        ("Größe/100%", "Größe/100%.svg", "Größe/100%25.svg"),
        ("a<b>[c]", "a<b>[c].svg", "a%3Cb%3E%5Bc%5D.svg"),
    ],
)
def test_the_hint_shows_the_chart_whatever_its_name(ctx: ToolContext, path: str, written: str, link: str) -> None:
    drawn = draw(ctx, kind="bar", path=path, labels=["a"], series=[{"name": "n", "values": [1]}])

    assert f"![What it shows]({link})" in drawn.content
    assert (ctx.workspace / written).exists()
    assert '<img src="/ours.svg"' in render(f"![x]({link})", files={"images": {written: "/ours.svg"}})


def test_the_same_call_writes_the_same_files(ctx: ToolContext) -> None:
    given = {"kind": "histogram", "series": [{"name": "n", "values": [1, 2, 2, 3, None]}]}
    draw(ctx, **given)
    before = {path.name: path.read_bytes() for path in ctx.workspace.iterdir()}

    draw(ctx, **given)

    assert before == {path.name: path.read_bytes() for path in ctx.workspace.iterdir()}
    assert set(before) == {"chart.svg", "chart.png"}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"kind": "bar"}, "Give the data: either 'sql' with 'x' and 'y', or 'labels' with 'series'."),
        (
            {"kind": "bar", "sql": "SELECT 1 AS a", "y": "a"},
            "Name the column for the categories, times or values in 'x'.",
        ),
        (
            {"kind": "bar", "sql": "FROM t", "x": "a", "series": [{"name": "n", "values": [1]}]},
            "Give either 'sql' with 'x' and 'y', or 'labels' with 'series', not both.",
        ),
        (
            {"kind": "bar", "labels": ["a"], "series": [{"name": "n", "values": [1, 2]}]},
            "Every series needs as many values as there are labels: 1.",
        ),
        (
            {"kind": "pie", "labels": ["a"], "series": [{"name": "n", "values": [1]}]},
            "The arguments of draw_chart do not fit: 'kind' must be one of: "
            "bar, barh, stacked_bar, line, scatter, histogram.",
        ),
        (
            {"kind": "bar", "path": "../c", "labels": ["a"], "series": [{"name": "n", "values": [1]}]},
            "A file name may not lead out of this run's folder.",
        ),
    ],
)
def test_what_cannot_be_drawn_is_said_and_nothing_is_written(
    ctx: ToolContext, arguments: dict[str, object], why: str
) -> None:
    drawn = draw(ctx, **arguments)

    assert drawn.is_error
    assert drawn.content == why
    assert list(ctx.workspace.iterdir()) == []
