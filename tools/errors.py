"""How a tool says that it cannot do what was asked."""

from __future__ import annotations


class ToolFailed(Exception):
    """The call cannot be carried out as asked. The sentence says why and what would work; the model reads it.

    Helpers of the tools raise it wherever they are; `runner.run_tool` turns it into a result with `is_error`.
    """


class OutcomeUnknown(Exception):
    """The call was sent and nobody can say whether it happened: a lost connection, a time-out after the request.

    Only for effectful tools. The engine asks a person before anything is sent again; the sentence says what is known.
    """
