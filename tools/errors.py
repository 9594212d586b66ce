"""Exceptions by which a tool says that it cannot do what was asked."""

from __future__ import annotations


class ToolFailed(Exception):
    """Call that cannot be carried out as asked.

    The sentence says why and what would work; the model reads it. Helpers of the tools raise it anywhere;
    `runner.run_tool` turns it into a result with `is_error`.
    """


class TryAgain(Exception):
    """Failure of a part of our own before anything outside was touched; a retry is safe.

    `runner.run_tool` raises it; the engine repeats the call, and nobody is asked.
    """


class CallAbandoned(Exception):
    """Call that nobody waits for any more, or whose run may have another owner. Tools must not catch it."""


class OutcomeUnknown(Exception):
    """Call that was sent without a known outcome.

    The connection was lost, or the request timed out. Only for effectful tools. The engine asks a person before
    anything is sent again; the sentence says what is known.
    """
