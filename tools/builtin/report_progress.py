"""Tool that reports the progress of the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools.errors import ToolFailed
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec
from tools.text import shorten


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    done, total = float(arguments["done"]), float(arguments["total"])
    if done > total:
        raise ToolFailed("'done' may not be more than 'total'.")
    label = shorten(str(arguments.get("label", "")), 120)
    ctx.reporter.progress(done=done, total=total, label=label)
    step = f"{done:g} of {total:g}"
    return ToolResult(content="Shown.", summary=f"{step}: {label}" if label else step)


SPEC = ToolSpec(
    name="report_progress",
    title="Report progress",
    description=(
        "Show the person who watches how far the work is: `done` of `total` steps, and in `label` what comes now. "
        "Call it when a new part of the work begins, together with that part's first tool call."
    ),
    icon="gauge",
    input_schema={
        "type": "object",
        "properties": {
            "done": {"type": "number", "minimum": 0, "maximum": 1_000_000, "description": "Steps finished"},
            "total": {"type": "number", "exclusiveMinimum": 0, "maximum": 1_000_000, "description": "Steps in all"},
            "label": {"type": "string", "maxLength": 200, "description": "What is being done now, in a few words"},
        },
        "required": ["done", "total"],
        "additionalProperties": False,
    },
    effect=Effect.IDEMPOTENT,
    default_policy=Policy.ALLOW,
    timeout_s=10,
    max_output_chars=500,
    run=run,
    uses_workspace=False,
    needs_thread=False,
    headline=lambda arguments: f"Progress: {shorten(str(arguments.get('label', '')), 80)}",
)
