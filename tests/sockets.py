"""Viewer's end of a WebSocket, without a server between."""

from __future__ import annotations

from typing import Any

from channels.testing import WebsocketCommunicator

from tests.timeouts import PATIENCE_S


class Socket(WebsocketCommunicator):
    """WebSocket with PATIENCE_S as its timeout: the library's one second is too short on a busy machine."""

    async def receive_output(self, timeout: float = 0) -> dict[str, Any]:
        got: dict[str, Any] = await super().receive_output(max(timeout, PATIENCE_S))
        return got

    async def wait(self, timeout: float = 0) -> None:
        await super().wait(max(timeout, PATIENCE_S))
