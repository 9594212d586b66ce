"""A viewer's end of a WebSocket, without a server between."""

from __future__ import annotations

from typing import Any

from channels.testing import WebsocketCommunicator

from tests.timeouts import PATIENCE_S


class Socket(WebsocketCommunicator):
    """Gives up where something hangs. The library does so after a second, which a busy machine may need."""

    async def receive_output(self, timeout: float = 0) -> dict[str, Any]:
        got: dict[str, Any] = await super().receive_output(max(timeout, PATIENCE_S))
        return got

    async def wait(self, timeout: float = 0) -> None:
        await super().wait(max(timeout, PATIENCE_S))
