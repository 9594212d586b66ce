"""Tool of the fault tests (DESKHAND_EXTRA_TOOLS): an outside effect with a slow response."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Mapping
from typing import Any

from tools.spec import Effect, Policy, ToolContext, ToolResult, ToolSpec

WAIT_S = 300.0


def ship(ctx: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    body = json.dumps({"order": arguments["order"]}).encode()
    request = urllib.request.Request(os.environ["SHIPPING"], body)  # noqa: S310 - the test's own receiver
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:  # noqa: S310
        answer.read()
    return ToolResult(content=f"Shipped {arguments['order']}.", summary=f"Shipped {arguments['order']}")


SPECS = [
    ToolSpec(
        name="ship",
        title="Ship",
        description="Ship an order",
        icon="send",
        input_schema={
            "type": "object",
            "properties": {"order": {"type": "string"}},
            "required": ["order"],
            "additionalProperties": False,
        },
        effect=Effect.EFFECTFUL,
        default_policy=Policy.ALLOW,
        timeout_s=WAIT_S,
        max_output_chars=1000,
        run=ship,
        uses_workspace=False,
    )
]
