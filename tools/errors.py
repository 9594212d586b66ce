"""How a tool says that it cannot do what was asked."""

from __future__ import annotations


class ToolFailed(Exception):
    """The call cannot be carried out as asked. The sentence says why and what would work; the model reads it.

    Helpers of the tools raise it wherever they are; `runner.run_tool` turns it into a result with `is_error`.
    """


class TryAgain(Exception):
    """A part of our own was away before anything outside was touched: the same call may work in a moment.

    `runner.run_tool` raises it; the engine makes the call again, and nobody is asked anything.
    """


class CallAbandoned(Exception):
    """Nobody waits for this call any more, or its run may have another owner. Tools let it pass."""


class OutcomeUnknown(Exception):
    """The call was sent and nobody can say whether it happened: a lost connection, a time-out after the request.

    Only for effectful tools. The engine asks a person before anything is sent again; the sentence says what is known.
    """
