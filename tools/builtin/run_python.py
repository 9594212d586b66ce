"""Tool that runs Python code in the sandbox, on copies of the run's files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools import sandbox, workspace
from tools.errors import ToolFailed
from tools.sandbox import Limit, Limits, Outcome
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec

LIMITS = Limits()
MAX_TAKEN = 150 * 1024 * 1024
"""Bytes of all files that the code is given."""
_MAX_SHOWN = 20_000
"""Characters of each output stream in the result."""
_ENDED_BY = {
    Limit.TIME: f"It was stopped at the time limit of {LIMITS.time_s:.0f} seconds.",
    Limit.OUTPUT: f"It was stopped at the output limit of {LIMITS.output_bytes // 1024**2} MB. Print less.",
    Limit.MEMORY: f"It met the memory limit of {LIMITS.memory_mb} MB. Work on less at once.",
    Limit.DISK: f"It met the disk limit of {LIMITS.disk_mb} MB. Write less.",
    Limit.PROCESSES: f"It met the limit of {LIMITS.processes} processes and threads.",
    Limit.CANCELLED: "It was stopped because the run was cancelled.",
}


def run(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    job = sandbox.Job(
        code=str(arguments["code"]),
        files=_input_files(ctx.workspace, arguments.get("files")),
        limits=LIMITS,
        cancelled=ctx.cancelled,
    )
    outcome = sandbox.run(job)
    saved, notes = _save(ctx.workspace, outcome)
    is_error = outcome.exit_code != 0
    return ToolResult(
        content=_content(outcome, saved, notes),
        summary=_summary(outcome, saved),
        is_error=is_error,
        data={"files": saved, "exit_code": outcome.exit_code, "limit": outcome.limit},
    )


def _input_files(root: Path, names: Sequence[str] | None) -> list[tuple[str, Path]]:
    """Return the files that the code sees: the named ones, or all. Raises ToolFailed above MAX_TAKEN bytes."""
    wanted = list(dict.fromkeys(map(workspace.normalise, names))) if names is not None else None
    every = [entry.name for entry in workspace.walk(root)] if wanted is None else wanted
    files = [(name, workspace.path_of(root, name)) for name in every]
    size = sum(path.stat().st_size for _, path in files)
    if size > MAX_TAKEN:
        raise ToolFailed(
            f"The files are {size // 1024**2} MB together; code can be given {MAX_TAKEN // 1024**2} MB. "
            "Name only those that it needs in 'files', or reduce them with query_table first."
        )
    return files


def _save(root: Path, outcome: Outcome) -> tuple[list[str], list[str]]:
    """Write new and changed files to the workspace.

    Return their names, and notes on others. Names come from inside the sandbox, so each is checked.
    """
    saved, notes = [], [f"Not kept: {name}." for name in outcome.left_out]
    for name, content in outcome.files.items():
        try:
            saved.append(workspace.write(root, name, content))
        except ToolFailed as problem:
            notes.append(f"Not kept: {name[:100]!r}. {problem}")
    return saved, notes


def _content(outcome: Outcome, saved: Sequence[str], notes: Sequence[str]) -> str:
    parts = []
    if outcome.stdout:
        parts.append(_shorten_middle(outcome.stdout.rstrip("\n")))
    if outcome.stderr:
        parts.append(f"[stderr]\n{_shorten_middle(outcome.stderr.rstrip(chr(10)))}")
    if outcome.limit is not None:
        parts.append(_ENDED_BY[outcome.limit])
    elif outcome.exit_code is None:
        parts.append("It ended without a result.")
    elif outcome.exit_code != 0:
        parts.append(f"It ended with exit code {outcome.exit_code}.")
    if saved:
        parts.append(f"Files written: {', '.join(saved)}.")
    parts += notes[:10]
    return "\n".join(parts) or "It ran and printed nothing."


def _summary(outcome: Outcome, saved: Sequence[str]) -> str:
    took = f"{outcome.duration_s:.1f} s"
    if outcome.limit is not None:
        return f"Python code was stopped: {outcome.limit} limit, after {took}"
    if outcome.exit_code != 0:
        last = outcome.stderr.strip().splitlines()[-1:] or [f"exit code {outcome.exit_code}"]
        return f"Python code failed: {last[0]}"
    return f"Ran Python code in {took}" + (f", wrote {', '.join(saved)}" if saved else "")


def _shorten_middle(text: str) -> str:
    """Return the beginning and the end of a long text; an error stands at the end."""
    if len(text) <= _MAX_SHOWN:
        return text
    half = _MAX_SHOWN // 2
    return f"{text[:half]}\n[… {len(text) - _MAX_SHOWN:,} characters left out …]\n{text[-half:]}"


SPEC = ToolSpec(
    name="run_python",
    title="Run Python code",
    description=(
        "Run a Python script in a sandbox without network. Its working folder holds copies of this run's files; "
        "files that it writes or changes there are kept and delivered, others are not touched. numpy, matplotlib, "
        "duckdb and openpyxl can be imported; pandas is not there. What it prints comes back. Nothing stays between "
        f"two calls but the files. Limits: {LIMITS.time_s:.0f} seconds, {LIMITS.memory_mb} MB of memory, "
        f"{LIMITS.disk_mb} MB of new files. For plain questions about tables prefer query_table."
    ),
    icon="terminal",
    input_schema={
        "type": "object",
        "properties": {
            "code": {"type": "string", "minLength": 1, "maxLength": 100_000, "description": "The whole script"},
            "files": {
                "type": "array",
                "maxItems": 100,
                "items": {"type": "string", "minLength": 1, "maxLength": 500},
                "description": "Only these files of the run are copied in; all of them if left out",
            },
        },
        "required": ["code"],
        "additionalProperties": False,
    },
    effect=Effect.IDEMPOTENT,
    default_policy=Policy.ALLOW,
    timeout_s=LIMITS.time_s + 30,
    max_output_chars=50_000,
    run=run,
    headline=lambda arguments: f"Run {str(arguments.get('code', '')).count(chr(10)) + 1} lines of Python",
)
