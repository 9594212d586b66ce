"""Execution of one tool call to a result, whatever the tool does. The engine calls it on its thread pool."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import InterfaceError, OperationalError

from accounts import strict_json
from accounts.errors import DISK_FULL, Unavailable, is_disk_full
from tools import arguments as checks
from tools.errors import CallAbandoned, OutcomeUnknown, ToolFailed, TryAgain
from tools.spec import AsyncToolContext, Effect, ToolContext, ToolRefused, ToolResult, ToolSpec
from tools.text import clean, clean_json, shorten

logger = logging.getLogger(__name__)

_MAX_DATA_CHARS = 64_000
_MAX_SUMMARY = 200


def run_tool(spec: ToolSpec, ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    """Return the result of the call; failures that the model can act on have `is_error`.

    Raises OutcomeUnknown for effectful tools that raise it, or that failed where nobody knows the outcome; TryAgain
    when a part of ours was away before anything outside was touched; CallAbandoned when nobody waits for the result.
    """
    if spec.run is None:
        raise ValueError(f"{spec.name} is carried out by the engine, not here")
    problem = checks.check(spec, arguments)
    if problem is not None:
        return _error(problem, f"{spec.title}: the arguments do not fit")
    call = _Call(spec, ctx)

    def begin_effect() -> None:
        ctx.begin_effect()
        call.has_begun = True

    try:
        result = spec.run(replace(ctx, cancelled=call.is_stopped, begin_effect=begin_effect), arguments)
    except Exception as error:
        result = call.failed(error)
    return call.finished(result)


async def run_tool_async(spec: ToolSpec, ctx: AsyncToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    """Return the result of a call of a tool with `run_async`. Fails like `run_tool`.

    A cancellation of the call passes; one that the tool made up itself is a fault of the tool.
    """
    if spec.run_async is None:
        raise ValueError(f"{spec.name} does not run on the event loop")
    problem = checks.check(spec, arguments)
    if problem is not None:
        return _error(problem, f"{spec.title}: the arguments do not fit")
    call = _Call(spec, ctx)

    async def begin_effect() -> None:
        await ctx.begin_effect()
        call.has_begun = True

    task = asyncio.current_task()
    try:
        limited = replace(ctx, cancelled=call.is_stopped, begin_effect=begin_effect)
        result = await spec.run_async(limited, arguments)
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        result = call.failed(error)
    except Exception as error:
        result = call.failed(error)
    return call.finished(result)


class _Call:
    """One call under way: how far it got, and what its end means."""

    def __init__(self, spec: ToolSpec, ctx: ToolContext | AsyncToolContext) -> None:
        self._spec = spec
        self._ctx = ctx
        self._started = time.monotonic()
        self.has_begun = spec.effect == Effect.EFFECTFUL and not spec.announces_effect

    def is_late(self) -> bool:
        return time.monotonic() - self._started > self._spec.timeout_s

    def is_stopped(self) -> bool:
        return self._ctx.cancelled() or self.is_late()

    def failed(self, error: BaseException) -> ToolResult:
        """Turn what the tool raised into a result for the model, or raise what the engine has to decide."""
        spec = self._spec
        if isinstance(error, ToolFailed | ToolRefused):
            return _error(str(error), f"{spec.title}: {error}")
        if isinstance(error, OutcomeUnknown | CallAbandoned):
            raise error
        if is_away(error) and not self.has_begun:
            raise TryAgain(f"{spec.title} waits: {_why(error)}") from error
        logger.error("Tool %s failed in run %s", spec.name, self._ctx.run_id, exc_info=error)
        if self.has_begun:
            raise OutcomeUnknown(f"{spec.title} broke off because of a fault on this server.") from error
        return _error(
            f"{spec.name} could not be carried out because of a fault on this server. Try another way, or say so in "
            "the result.",
            f"{spec.title} could not be carried out: a fault on this server",
        )

    def finished(self, result: ToolResult) -> ToolResult:
        """Return the result as the run keeps it; an error after the time limit says so."""
        spec = self._spec
        if result.is_error and self.is_late() and not self._ctx.cancelled():
            result = _error(
                f"{spec.name} was stopped after its limit of {spec.timeout_s:.0f} seconds. {result.content}",
                f"{spec.title}: stopped after {spec.timeout_s:.0f} seconds",
            )
        return _presentable(spec, result)


def is_away(error: BaseException) -> bool:
    """Return True if a retry is safe: the object store or Postgres did not answer, or the disk is full."""
    return isinstance(error, Unavailable | OperationalError | InterfaceError) or is_disk_full(error)


def _why(error: BaseException) -> str:
    if isinstance(error, Unavailable):
        return error.detail
    return DISK_FULL if is_disk_full(error) else "the database does not answer."


def _error(content: str, summary: str) -> ToolResult:
    return ToolResult(content=content, summary=summary, is_error=True)


def _presentable(spec: ToolSpec, result: ToolResult) -> ToolResult:
    """Clean the texts and cut them. Limits are those of the tool and of the live view."""
    content = clean(result.content)
    if len(content) > spec.max_output_chars:
        left_out = len(content) - spec.max_output_chars
        content = (
            f"{content[: spec.max_output_chars]}\n[Cut here: {left_out:,} more characters. Ask for a smaller part.]"
        )
    return replace(result, content=content, summary=shorten(result.summary, _MAX_SUMMARY), data=_data(result.data))


def _data(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON for the live view, or {} if it is too deep or too large. Tools may put anything there."""
    try:
        data: dict[str, Any] = strict_json.storable(clean_json(dict(given)))
    except RecursionError:
        return {}
    return data if len(json.dumps(data)) <= _MAX_DATA_CHARS else {}
