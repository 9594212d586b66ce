"""Tool that lists the files of the run."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from tools import tables, workspace
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec

_MAX_SHOWN = 200
"""Files that are listed."""


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    pattern = str(arguments.get("pattern", ""))
    entries = [entry for entry in workspace.walk(ctx.workspace) if not pattern or fnmatch.fnmatch(entry.name, pattern)]
    if not entries:
        said = f"No file of this run fits '{pattern}'." if pattern else "This run has no files yet."
        return ToolResult(content=said, summary=said)
    as_tables: dict[str, list[str]] = {}
    for source in tables.tables(ctx.workspace):
        as_tables.setdefault(source.file, []).append(source.table)
    rows = [
        [entry.name, size_in_words(entry.size), table]
        for entry in entries[:_MAX_SHOWN]
        for table in as_tables.get(entry.name, [""])
    ]
    lines = [tables.markdown(["file", "size", "table"], rows)]
    if len(entries) > _MAX_SHOWN:
        lines.append(f"and {len(entries) - _MAX_SHOWN:,} more; narrow it with 'pattern'.")
    return ToolResult(
        content="\n".join(lines),
        summary=f"Found {len(entries):,} file{'s' if len(entries) != 1 else ''}",
        data={"files": [{"path": entry.name, "size": entry.size} for entry in entries[:50]]},
    )


def size_in_words(size: int) -> str:
    """Format bytes: 12 bytes, 3.4 KB, 5.6 MB. Units are powers of 1,024."""
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.1f} KB" if size < 1024**2 else f"{size / 1024**2:.1f} MB"


SPEC = ToolSpec(
    name="list_files",
    title="List files",
    description=(
        "List the files of this run with their sizes: attachments and everything written so far. The column `table` "
        "is the name under which query_table knows the file; an Excel file has one row for each sheet."
    ),
    icon="folder-open",
    input_schema={
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "maxLength": 200, "description": "Only names that fit, such as *.csv"}
        },
        "additionalProperties": False,
    },
    effect=Effect.READ_ONLY,
    default_policy=Policy.ALLOW,
    timeout_s=30,
    max_output_chars=20_000,
    run=run,
    headline=lambda arguments: "List the files of this run",
)
