"""Tool that reads a text file of the run."""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping
from typing import IO, Any

from tools import workspace
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec
from tools.text import ODD_BYTES, detect_encoding

_HEAD_BYTES = 64 * 1024
"""Bytes by which the encoding is detected."""
_MAX_LINE = 4000
"""Characters of one line."""
_DEFAULT_LINES = 400
_MAX_CHARS = 60_000


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    name = workspace.normalise(arguments["path"])
    first = int(arguments.get("offset", 1))
    limit = int(arguments.get("limit", _DEFAULT_LINES))
    with workspace.open_read(ctx.workspace, name) as file:
        head = file.read(_HEAD_BYTES)
        size = file.seek(0, io.SEEK_END)
        encoding = detect_encoding(head)
        if encoding is None:
            return ToolResult(
                content=f"'{name}' is not a text file ({size:,} bytes of binary data), so it cannot be read as text. "
                "Use query_table for tables, or run_python to look inside.",
                summary=f"{name} is not a text file",
                is_error=True,
            )
        lines, more = _lines(file, encoding, first, limit)
    if not lines:
        said = f"'{name}' is empty." if first == 1 else f"'{name}' has fewer than {first:,} lines."
        return ToolResult(content=said, summary=said.replace("'", ""))
    last = first + len(lines) - 1
    note = f"\n[Lines {first} to {last}; the file goes on. Continue with offset={last + 1}.]" if more else ""
    part = f"{len(lines):,} line{'s' if len(lines) != 1 else ''}"
    return ToolResult(content="\n".join(lines) + note, summary=f"Read {part} of {name}")


def _lines(file: IO[bytes], encoding: str, first: int, limit: int) -> tuple[list[str], bool]:
    """Return up to `limit` lines from line `first`, and True if there are more.

    Very long lines, and very long results, are cut.
    """
    file.seek(0)
    result: list[str] = []
    total = 0
    with io.TextIOWrapper(file, encoding=encoding, errors=ODD_BYTES, newline=None) as text:
        for index in itertools.count(1):
            line = text.readline(_MAX_LINE + 1)
            if not line:
                return result, False
            cut = len(line) > _MAX_LINE and not line.endswith("\n")
            if cut:
                _skip_rest(text)
            if index < first:
                continue
            if len(result) == limit or total > _MAX_CHARS:
                return result, True
            result.append(line[:_MAX_LINE].rstrip("\n") + ("… [line cut]" if cut else ""))
            total += len(result[-1])
    return result, False


def _skip_rest(text: IO[str]) -> None:
    while piece := text.readline(65536):
        if piece.endswith("\n"):
            return


SPEC = ToolSpec(
    name="read_file",
    title="Read a file",
    description=(
        "Read a text file of this run, such as an attachment or a file that you wrote. Returns its lines from "
        f"`offset` on (1 is the first line), at most `limit` of them ({_DEFAULT_LINES} if left out). Any text "
        "encoding works; binary files are refused. For CSV, Excel, Parquet and JSON tables prefer query_table: it sees "
        "all rows at once."
    ),
    icon="file-text",
    input_schema={
        "type": "object",
        "properties": {
            "path": {
                "type": "string",
                "minLength": 1,
                "maxLength": 500,
                "description": "File name, as list_files shows it",
            },
            "offset": {
                "type": "integer",
                "minimum": 1,
                "maximum": 100_000_000,
                "description": "First line to read, from 1",
            },
            "limit": {"type": "integer", "minimum": 1, "maximum": 2000, "description": "How many lines"},
        },
        "required": ["path"],
        "additionalProperties": False,
    },
    effect=Effect.READ_ONLY,
    default_policy=Policy.ALLOW,
    timeout_s=30,
    max_output_chars=70_000,
    run=run,
    headline=lambda arguments: f"Read {arguments.get('path', 'a file')}",
)
