"""Tool that writes a text file; it becomes an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools import workspace
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec

MAX_CHARS = 1_000_000


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    text = str(arguments["content"])
    # A lone surrogate cannot be stored; a model can produce one from a broken escape.
    content = text.encode("utf-8", errors="replace")
    name = workspace.write(ctx.workspace, arguments["path"], content)
    lines = text.count("\n") + (not text.endswith("\n")) if text else 0
    return ToolResult(
        content=f"Wrote {name}: {len(content):,} bytes, {lines:,} lines.",
        summary=f"Wrote {name}",
        data={"path": name, "size": len(content)},
    )


SPEC = ToolSpec(
    name="write_file",
    title="Write a file",
    description=(
        "Write a UTF-8 text file, such as report.md or result.csv. The file is delivered with the run as an "
        "artifact that the person can download. An existing file of that name is replaced. Markdown reports may "
        "show a chart that draw_chart made: ![What it shows](chart.svg)."
    ),
    icon="file-pen",
    input_schema={
        "type": "object",
        "properties": {
            "path": {"type": "string", "minLength": 1, "maxLength": 500, "description": "File name, such as report.md"},
            "content": {"type": "string", "maxLength": MAX_CHARS, "description": "The whole text"},
        },
        "required": ["path", "content"],
        "additionalProperties": False,
    },
    effect=Effect.IDEMPOTENT,
    default_policy=Policy.ALLOW,
    timeout_s=30,
    max_output_chars=2000,
    run=run,
    headline=lambda arguments: f"Write {arguments.get('path', 'a file')}",
)
