"""Tools of the storm only (DESKHAND_EXTRA_TOOLS): an outside effect, many events, a crash."""

from __future__ import annotations

import http.client
import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Mapping
from threading import Event
from typing import Any

from tools.errors import OutcomeUnknown, ToolFailed
from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec

WAIT_S = 4.0


def deliver(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    """POST the order to the counting receiver. It learns the caller's pid, to kill it in the middle of the call."""
    body = json.dumps({"order": arguments["order"], "run": ctx.run_id}).encode()
    headers = {"Content-Type": "application/json", "Idempotency-Key": ctx.idempotency_key, "X-Pid": str(os.getpid())}
    request = urllib.request.Request(os.environ["CHAOS_RECEIVER"], body, headers)  # noqa: S310 - our own receiver
    ctx.begin_effect()
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as refused:
        raise ToolFailed(f"The receiver refused the order: {refused.code}.") from refused
    except (OSError, http.client.HTTPException) as lost:
        raise OutcomeUnknown(f"The receiver did not answer ({type(lost).__name__}).") from lost
    return ToolResult(content=f"Delivered {arguments['order']}.", summary=f"Delivered {arguments['order']}")


def chatter(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    """Emit many events in a short time, for the viewers."""
    for n in range(int(arguments["words"])):
        if ctx.cancelled():
            break
        ctx.reporter.log(text=f"word {n}")
        Event().wait(0.01)
    return ToolResult(content="Said.", summary="Said it all")


def crash(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    """Kill the worker that runs the call, every time."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("the kernel did not obey")


def _spec(name: str, effect: Effect, run: Any, **properties: Any) -> ToolSpec:
    schema = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    return ToolSpec(
        name=name, title=name.capitalize(), description=name, icon="send", input_schema=schema, effect=effect,
        default_policy=Policy.ALLOW, timeout_s=WAIT_S + 2, max_output_chars=1000, run=run, uses_workspace=False,
        announces_effect=effect == Effect.EFFECTFUL,
    )  # fmt: skip


SPECS = [
    _spec("deliver", Effect.EFFECTFUL, deliver, order={"type": "string"}),
    _spec("chatter", Effect.READ_ONLY, chatter, words={"type": "integer"}),
    _spec("crash", Effect.READ_ONLY, crash),
]
