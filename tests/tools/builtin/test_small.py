"""Tools report_progress, remember, recall and ask_human."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tools import arguments, catalog, runner
from tools.spec import ToolContext, ToolResult


def call(tool: str, ctx: ToolContext, **given: object) -> ToolResult:
    return runner.run_tool(catalog.builtin(tool), ctx, given)


def test_progress_is_reported(ctx: ToolContext) -> None:
    result = call("report_progress", ctx, done=2, total=5, label="Comparing\nprices")

    assert ctx.reporter.progressed == [(2.0, 5.0, "Comparing prices")]  # type: ignore[attr-defined]
    assert result.summary == "2 of 5: Comparing prices"


@pytest.mark.parametrize(
    "given", [{"done": 6, "total": 5}, {"done": -1, "total": 5}, {"done": 1, "total": 0}, {"done": 1}]
)
def test_impossible_progress_is_refused(ctx: ToolContext, given: dict[str, Any]) -> None:
    assert call("report_progress", ctx, **given).is_error
    assert ctx.reporter.progressed == []  # type: ignore[attr-defined]


def test_a_fact_is_remembered_once_and_recalled(ctx: ToolContext) -> None:
    call("remember", ctx, text="Refunds are in USD.")
    call("remember", ctx, text=" Refunds are in USD.\x00 ")
    call("remember", ctx, text="The week starts on Monday.")

    recalled = call("recall", ctx, query="refunds")

    assert recalled.content == "- Refunds are in USD."
    assert recalled.data == {"facts": ["Refunds are in USD."]}
    assert call("recall", ctx, query="weather").content == "Nothing that you remembered fits."


def test_memory_that_is_off_says_so(ctx: ToolContext) -> None:
    forgetful = replace(ctx, memory=None)

    for tool, given in (("remember", {"text": "x"}), ("recall", {"query": "x"})):
        result = call(tool, forgetful, **given)
        assert result.is_error
        assert result.content == "This agent's memory is off. Go on without it."


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"question": "Which?", "why": "It matters.", "choices": ["a", "b"], "default": "a"}, None),
        ({"question": "Which?", "schema": {"type": "number"}}, None),
        ({}, "'question' is missing."),
        ({"question": "Which?", "choices": ["a"]}, "'choices' must have at least 2 entries."),
    ],
)
def test_a_question_has_a_form(given: dict[str, Any], problem: str | None) -> None:
    spec = catalog.builtin("ask_human")

    assert spec.run is None
    assert arguments.check(spec, given) == (problem and f"The arguments of ask_human do not fit: {problem}")
