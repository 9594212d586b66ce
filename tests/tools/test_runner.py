from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tools import runner
from tools.builtin import list_files
from tools.errors import ToolFailed
from tools.spec import ToolContext, ToolRefused, ToolResult, ToolSpec


def spec(run: Callable[[ToolContext, Mapping[str, Any]], ToolResult], **more: Any) -> ToolSpec:
    return replace(list_files.SPEC, run=run, **more)


def test_a_failure_and_a_refusal_are_results_with_their_sentence(ctx: ToolContext) -> None:
    for kind in (ToolFailed, ToolRefused):

        def run(_: ToolContext, __: Mapping[str, Any], kind: type[Exception] = kind) -> ToolResult:
            raise kind("There is no sandbox here.")

        result = runner.run_tool(spec(run), ctx, {})

        assert result == ToolResult(
            content="There is no sandbox here.", summary="List files: There is no sandbox here.", is_error=True
        )


def test_a_bug_is_told_safely_and_logged_in_full(ctx: ToolContext, caplog: pytest.LogCaptureFixture) -> None:
    def run(_: ToolContext, __: Mapping[str, Any]) -> ToolResult:
        raise KeyError("sk-secret")

    result = runner.run_tool(spec(run), ctx, {})

    assert result.is_error
    assert "sk-secret" not in result.content + result.summary
    assert "sk-secret" in caplog.text
    assert ctx.run_id in caplog.text


def test_arguments_that_do_not_fit_run_nothing(ctx: ToolContext) -> None:
    def run(_: ToolContext, __: Mapping[str, Any]) -> ToolResult:
        raise AssertionError("must not run")

    result = runner.run_tool(spec(run), ctx, {"pattern": 5})

    assert result.is_error
    assert result.content == "The arguments of list_files do not fit: 'pattern' must be text."


@pytest.mark.promise("G23")
def test_long_content_is_cut_with_a_sentence(ctx: ToolContext) -> None:
    result = runner.run_tool(
        spec(lambda *_: ToolResult(content="x" * 1100, summary="s" * 500), max_output_chars=100), ctx, {}
    )

    assert result.content == "x" * 100 + "\n[Cut here: 1,000 more characters. Ask for a smaller part.]"
    assert result.summary == "s" * 199 + "…"


def test_nothing_invisible_comes_out(ctx: ToolContext) -> None:
    dirty = "a\x00\x1b[31mb\u202ec"

    result = runner.run_tool(
        spec(lambda *_: ToolResult(content=dirty, summary=dirty, data={"rows": [[dirty]]})), ctx, {}
    )

    assert (result.content, result.summary, result.data) == ("abc", "abc", {"rows": [["abc"]]})


@pytest.mark.promise("G23")
def test_large_data_is_left_out(ctx: ToolContext) -> None:
    result = runner.run_tool(spec(lambda *_: ToolResult(content="c", summary="s", data={"x": "y" * 70_000})), ctx, {})

    assert result.data == {}
    assert result.content == "c"


def test_a_tool_sees_its_time_limit_as_a_cancel_and_the_limit_is_named(ctx: ToolContext) -> None:
    def run(limited: ToolContext, _: Mapping[str, Any]) -> ToolResult:
        while not limited.cancelled():
            time.sleep(0.01)
        raise ToolFailed("Stopped.")

    result = runner.run_tool(spec(run, timeout_s=0.2), ctx, {})

    assert result.is_error
    assert result.content == "list_files was stopped after its limit of 0 seconds. Stopped."


def test_tools_of_the_engine_are_not_run_here(ctx: ToolContext) -> None:
    with pytest.raises(ValueError, match="carried out by the engine"):
        runner.run_tool(replace(list_files.SPEC, run=None), ctx, {})


def test_data_that_is_no_json_is_shown_as_text_or_left_out(ctx: ToolContext) -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"in": deep}
    odd = {"share": float("nan"), "day": date(2026, 11, 30), "rows": [(1, float("inf"))], "\ud83d": "\ud83d"}

    shown = runner.run_tool(spec(lambda *_: ToolResult(content="x", summary="x", data=odd)), ctx, {})
    left_out = runner.run_tool(spec(lambda *_: ToolResult(content="x", summary="x", data=deep)), ctx, {})

    assert shown.data == {"share": "NaN", "day": "2026-11-30", "rows": [[1, "Infinity"]], "": ""}
    assert (left_out.content, left_out.data) == ("x", {})
