"""Tool that draws a chart of the run's data as SVG and PNG."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tools import limited_process, workspace
from tools.charts import Kind
from tools.errors import ToolFailed
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec
from tools.text import shorten

_LIMITS = limited_process.Limits(timeout_s=60, memory_mb=2048)
_LABEL = "label"


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    name = _base_name(arguments.get("path", "chart"))
    drawn = limited_process.call(
        "tools.charts.draw:in_child",
        {
            "root": str(ctx.workspace),
            "name": name,
            **(_from_query(arguments) if "sql" in arguments else _from_arguments(arguments)),
        },
        limits=_LIMITS,
        cancelled=ctx.cancelled,
    )
    notes = "".join(f"\nNote: {note}" for note in drawn["notes"])
    return ToolResult(
        content=f"Drew {drawn['points']:,} points as {name}.svg and {name}.png. "
        f"Show it in a report with ![What it shows]({_link(name)}.svg).{notes}",
        summary=f"Drew {name}.svg ({drawn['points']:,} points)",
        data={
            "files": [f"{name}.svg", f"{name}.png"],
            "columns": drawn["columns"],
            "rows": drawn["rows"][:50],
            "notes": drawn["notes"],
        },
    )


def _from_query(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call for data that comes from a query. Raises ToolFailed."""
    if "series" in arguments or "labels" in arguments:
        raise ToolFailed("Give either 'sql' with 'x' and 'y', or 'labels' with 'series', not both.")
    if "x" not in arguments:
        raise ToolFailed("Name the column for the categories, times or values in 'x'.")
    y = arguments.get("y", [])
    chart = _chart(arguments, x=arguments["x"], y=[y] if isinstance(y, str) else list(y))
    return {"sql": arguments["sql"], "columns": None, "rows": None, "chart": chart}


def _from_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the call for data that is in the arguments. Raises ToolFailed."""
    series = arguments.get("series")
    if not series:
        raise ToolFailed("Give the data: either 'sql' with 'x' and 'y', or 'labels' with 'series'.")
    names = [one["name"] for one in series]
    length = len(series[0]["values"])
    labels = arguments.get("labels", list(range(1, length + 1)))
    if len(set(names)) < len(names) or _LABEL in names:
        raise ToolFailed(f"Each series needs a name of its own, and none may be called '{_LABEL}'.")
    if any(len(one["values"]) != len(labels) for one in series):
        raise ToolFailed(f"Every series needs as many values as there are labels: {len(labels)}.")
    rows = [[label, *(one["values"][i] for one in series)] for i, label in enumerate(labels)]
    if arguments["kind"] == Kind.HISTOGRAM:
        chart = _chart(arguments, x=names[0], y=[])
    else:
        chart = _chart(arguments, x=_LABEL, y=names) | {"x_label": arguments.get("x_label", " ")}
    return {"sql": None, "columns": [_LABEL, *names], "rows": rows, "chart": chart}


def _chart(arguments: Mapping[str, Any], *, x: str, y: list[str]) -> dict[str, Any]:
    words = {key: arguments[key] for key in ("title", "x_label", "y_label") if arguments.get(key)}
    return {"kind": arguments["kind"], "x": x, "y": y, "series": arguments.get("split_by", ""), **words}


def _base_name(path: str) -> str:
    """Return the file name without .svg or .png: both are written."""
    name = workspace.normalise(path)
    for ending in (".svg", ".png"):
        name = name.removesuffix(ending)
    return workspace.normalise(name)


def _link(name: str) -> str:
    """Return the name as a Markdown URL: spaces and brackets are percent-encoded."""
    return re.sub(r"[^\w./-]", lambda found: quote(found[0]), name)


_COLUMN = {"type": "string", "minLength": 1, "maxLength": 200}
_SERIES = {
    "type": "object",
    "properties": {
        "name": _COLUMN,
        "values": {"type": "array", "minItems": 1, "maxItems": 1000, "items": {"type": ["number", "null"]}},
    },
    "required": ["name", "values"],
    "additionalProperties": False,
}

SPEC = ToolSpec(
    name="draw_chart",
    title="Draw a chart",
    description=(
        "Draw one chart and save it as <path>.svg and <path>.png; both are delivered with the run. Either give "
        "`sql` (the same tables as query_table) with the columns `x`, `y` and perhaps `split_by`, or give the data "
        "itself as `labels` and `series`. Aggregate first: one row for each bar or point. Several lines or colours: "
        "several columns in `y`, or one `y` and a `split_by` column. Use barh for long labels and line for time; at "
        "most 8 series and 40 bars."
    ),
    icon="trending-up",
    input_schema={
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": [kind.value for kind in Kind]},
            "title": {"type": "string", "maxLength": 160, "description": "What the chart shows, as a finding"},
            "path": {"type": "string", "minLength": 1, "maxLength": 200, "description": "File name; chart if left out"},
            "sql": {
                "type": "string",
                "minLength": 1,
                "maxLength": 20_000,
                "description": "Query whose answer is drawn",
            },
            "x": {**_COLUMN, "description": "With sql: column of the categories, times or x values"},
            "y": {
                "type": ["string", "array"],
                "items": _COLUMN,
                "minLength": 1,
                "maxLength": 200,
                "maxItems": 8,
                "description": "With sql: numeric column, or a list of them; none for a histogram",
            },
            "split_by": {**_COLUMN, "description": "With sql: column that splits the rows into lines or colours"},
            "labels": {
                "type": "array",
                "minItems": 1,
                "maxItems": 1000,
                "items": {"type": ["string", "number"], "maxLength": 200},
                "description": "Without sql: the category, time or x value of each point",
            },
            "series": {"type": "array", "minItems": 1, "maxItems": 8, "items": _SERIES, "description": "Without sql"},
            "x_label": {"type": "string", "maxLength": 60},
            "y_label": {"type": "string", "maxLength": 60},
        },
        "required": ["kind"],
        "additionalProperties": False,
    },
    effect=Effect.IDEMPOTENT,
    default_policy=Policy.ALLOW,
    timeout_s=70,
    max_output_chars=4000,
    run=run,
    headline=lambda arguments: f"Draw a chart: {shorten(str(arguments.get('title') or arguments.get('path', '')), 80)}",
)
