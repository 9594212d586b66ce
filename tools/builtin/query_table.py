"""Tool that queries the run's tables in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tools import tables
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec
from tools.text import shorten

_MAX_ROWS = 200
"""Rows for the model; the live view gets _MAX_DATA_ROWS."""
_MAX_DATA_ROWS = 50


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    answer = tables.query(ctx.workspace, arguments["sql"], max_rows=_MAX_ROWS, cancelled=ctx.cancelled)
    names = [column.name for column in answer.columns]
    parts = [tables.markdown(names, answer.rows)]
    parts.append(_count_sentence(answer))
    if answer.sources:
        parts.append(f"Read: {', '.join(answer.sources)}.")
    parts += [f"Note: {note}" for note in answer.notes]
    return ToolResult(
        content="\n".join(parts),
        summary=_summary(answer),
        data={
            "columns": names,
            "rows": [[_small(value) for value in row] for row in answer.rows[:_MAX_DATA_ROWS]],
            "row_count": answer.row_count,
            "notes": list(answer.notes),
        },
    )


def _count_sentence(answer: tables.TableAnswer) -> str:
    if answer.row_count <= len(answer.rows):
        return f"{answer.row_count:,} row{'s' if answer.row_count != 1 else ''}."
    shown = f"{answer.row_count:,} rows in all; the first {len(answer.rows)} are shown."
    return f"{shown} Aggregate or filter to see the rest."


def _summary(answer: tables.TableAnswer) -> str:
    count = f"{answer.row_count:,} row{'s' if answer.row_count != 1 else ''}"
    files = [source.partition(" (")[2].partition(",")[0] for source in answer.sources]
    return f"Got {count} from {', '.join(dict.fromkeys(files))}" if files else f"Got {count}"


def _small(value: Any) -> Any:
    return value[:200] if isinstance(value, str) else value


SPEC = ToolSpec(
    name="query_table",
    title="Query a table",
    description=(
        "Run one reading SQL statement (DuckDB dialect) over the CSV, TSV, Excel, Parquet and JSON files of this run. "
        "Each file is a table named after the file in lower case with underscores: support-tickets.csv is "
        "support_tickets; an Excel file with several sheets is one table for each, file_sheet. Files that you wrote "
        "count too. Start with SUMMARIZE <table> to see columns, types and ranges. Answers show up to 200 rows and "
        "always the true row count, so aggregate in SQL rather than reading rows. Numbers in a report must come "
        "from here."
    ),
    icon="table-2",
    input_schema={
        "type": "object",
        "properties": {
            "sql": {
                "type": "string",
                "minLength": 1,
                "maxLength": 20_000,
                "description": "SELECT, WITH, FROM, DESCRIBE, SUMMARIZE, PIVOT or SHOW TABLES",
            }
        },
        "required": ["sql"],
        "additionalProperties": False,
    },
    effect=Effect.READ_ONLY,
    default_policy=Policy.ALLOW,
    timeout_s=70,
    max_output_chars=40_000,
    run=run,
    headline=lambda arguments: f"Query: {shorten(str(arguments.get('sql', '')), 120)}",
)
