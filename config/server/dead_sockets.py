"""Cut of WebSockets whose client no longer answers pings.

uvicorn closes politely: it waits until everything written has been read. A client that does not answer pings does not
read either, so the connection, its buffers and every writer that waits on them would stay as long as the client likes.
"""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_close_politely = WebSocketsSansIOProtocol.keepalive_timeout


def _cut(self: Any) -> None:
    _close_politely(self)
    self.transport.abort()


def install() -> None:
    """Patch uvicorn's protocol class: its command line accepts no other one."""
    WebSocketsSansIOProtocol.keepalive_timeout = _cut  # type: ignore[method-assign]
