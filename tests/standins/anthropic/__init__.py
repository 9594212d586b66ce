"""Stand-in for Anthropic's Messages API on loopback.

    with AnthropicStandIn(message(text("Hi")), OVERLOADED) as claude:
        runtime = AnthropicRuntime(api_key="test", base_url=claude.url)

For other processes: `python -m tests.standins.anthropic --port 0 --turns 5` plays whole conversations without a script.
"""

from __future__ import annotations

from tests.standins.anthropic.answers import (
    BROKEN,
    OVERLOADED,
    RATE_LIMITED,
    Answer,
    Broken,
    Message,
    Raw,
    Refused,
    endless,
    event,
    message,
    signature,
    text,
    thinking,
    tool_use,
)  # fmt: skip
from tests.standins.anthropic.server import FAULTS, AnthropicStandIn, Request, serve_for_ever

__all__ = [
    "BROKEN", "FAULTS", "OVERLOADED", "RATE_LIMITED", "Answer", "AnthropicStandIn", "Broken", "Message", "Raw",
    "Refused", "Request", "endless", "event", "message", "serve_for_ever", "signature", "text", "thinking", "tool_use",
]  # fmt: skip
