"""A WebSocket whose reader has gone silent is cut.

uvicorn closes politely: it waits until everything that was written is read. Who does not answer a ping does not read
either, so the connection, its buffers and whoever waits to write to it would stay for as long as the other side likes.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_close_politely = WebSocketsSansIOProtocol.keepalive_timeout


def _cut(self: Any) -> None:
    _close_politely(self)
    self.transport.abort()


def install() -> None:
    """The command line of uvicorn takes no protocol of one's own."""
    WebSocketsSansIOProtocol.keepalive_timeout = _cut  # type: ignore[method-assign]
