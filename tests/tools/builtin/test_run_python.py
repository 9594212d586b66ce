from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tools import runner, sandbox
from tools.builtin import run_python
from tools.sandbox import Limit, Limits, Outcome
from tools.spec import ToolContext, ToolResult


def execute(ctx: ToolContext, code: str, **more: Any) -> ToolResult:
    return runner.run_tool(run_python.SPEC, ctx, {"code": code, **more})


@pytest.fixture(autouse=True)
def needs_a_sandbox(request: pytest.FixtureRequest) -> None:
    is_there, reason = sandbox.status()
    if not is_there and "forge" not in request.fixturenames:
        pytest.skip(f"no sandbox on this machine: {reason}")


def test_code_reads_and_writes_files_of_the_run(ctx: ToolContext) -> None:
    (ctx.workspace / "data.csv").write_text("n\n1\n2\n")

    result = execute(ctx, SUM)

    assert result.content == "3\nFiles written: out/sum.txt."
    assert result.data == {"files": ["out/sum.txt"], "exit_code": 0, "limit": None}
    assert (ctx.workspace / "out/sum.txt").read_text() == "3"
    assert (ctx.workspace / "data.csv").read_text() == "n\n1\n2\n"


SUM = """
import csv, os
total = sum(int(row["n"]) for row in csv.DictReader(open("data.csv")))
os.mkdir("out")
open("out/sum.txt", "w").write(str(total))
print(total)
"""


def test_an_error_shows_its_traceback(ctx: ToolContext) -> None:
    result = execute(ctx, "print('before')\nx = 1 / 0\n")

    assert result.is_error
    assert result.content.startswith("before\n[stderr]\nTraceback (most recent call last):")
    assert "ZeroDivisionError: division by zero\nIt ended with exit code 1." in result.content
    assert result.summary == "Python code failed: ZeroDivisionError: division by zero"


def test_only_the_files_asked_for_are_copied_in(ctx: ToolContext) -> None:
    for name in ("a.txt", "b.txt"):
        (ctx.workspace / name).write_text(name)

    assert execute(ctx, "import os; print(os.listdir())", files=["a.txt"]).content == "['a.txt']"
    assert execute(ctx, "import os; print(os.listdir())", files=[]).content == "[]"
    assert execute(ctx, "pass", files=["c.txt"]).content == "There is no file 'c.txt'. Files of this run: a.txt, b.txt."


def test_too_much_to_copy_is_said(ctx: ToolContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_python, "MAX_TAKEN", 10)
    (ctx.workspace / "big").write_bytes(bytes(11))

    result = execute(ctx, "print(1)")

    assert result.is_error
    assert "Name only those that it needs in 'files'" in result.content


Forge = Callable[..., None]


@pytest.fixture
def forge(monkeypatch: pytest.MonkeyPatch) -> Forge:
    """Make the sandbox return this outcome, whatever it runs: its output may be anything."""
    plain = Outcome(exit_code=0, stdout="", stderr="", files={}, left_out=[], limit=None, duration_s=2.0)
    return lambda **values: monkeypatch.setattr(sandbox, "run", lambda job: replace(plain, **values))


def test_names_from_inside_lead_nowhere(ctx: ToolContext, forge: Forge) -> None:
    forge(files={"../evil": b"x", "/etc/evil": b"x", ".bashrc": b"x", "a\nb": b"x", "good.txt": b"y"})

    result = execute(ctx, "pass")

    assert result.data["files"] == ["good.txt"]
    assert result.content.count("Not kept: ") == 4
    assert [path.name for path in ctx.workspace.rglob("*")] == ["good.txt"]
    assert [path.name for path in ctx.workspace.parent.iterdir()] == [ctx.workspace.name]


@pytest.mark.parametrize("limit", Limit)
def test_a_limit_is_named(ctx: ToolContext, forge: Forge, limit: Limit) -> None:
    forge(exit_code=None, limit=limit)

    result = execute(ctx, "pass")

    assert result.is_error
    assert result.data["limit"] == limit
    assert result.summary == f"Python code was stopped: {limit} limit, after 2.0 s"
    assert result.content == run_python._ENDED_BY[limit]


def test_long_output_keeps_its_beginning_and_its_end(ctx: ToolContext, forge: Forge) -> None:
    forge(stdout="a" * 30_000 + "end")

    content = execute(ctx, "pass").content

    assert content.startswith("a" * 10_000 + "\n[… 10,003 characters left out …]\n")
    assert content.endswith("aend")


def test_no_sandbox_is_a_refusal(ctx: ToolContext, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.SANDBOX = "off"
    monkeypatch.setattr(sandbox, "_found", None)

    result = execute(ctx, "print(1)")

    assert result.is_error
    assert result.content == (
        "Code cannot be run on this server: the operator has switched the sandbox off. Use another tool."
    )


def test_the_time_limit_of_the_tool_leaves_room_for_the_sandbox_to_say_so() -> None:
    assert run_python.SPEC.timeout_s > Limits().time_s
