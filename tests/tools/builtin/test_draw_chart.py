from __future__ import annotations

import pytest

from tools import runner
from tools.builtin import draw_chart
from tools.registry import ToolContext, ToolResult


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
