"""Loopback mail server that takes one message, refuses it, or drops the connection after it."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self


class MailStandIn:
    """Mail server.

    `how`: "take", "refuse" (554 after the text) or "drop" (the connection ends instead of a response).
    """

    def __init__(self, how: str) -> None:
        self.how = how
        self.messages: list[str] = []
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(owner: MailStandIn) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self._say("220 stand-in")
            while line := self.rfile.readline().decode().strip():
                if line.upper() != "DATA":
                    self._say("221 bye" if line.upper() == "QUIT" else "250 ok")
                    continue
                self._say("354 go on")
                owner.messages.append(self._text())
                if owner.how == "drop":
                    return
                self._say("554 no" if owner.how == "refuse" else "250 taken")

        def _text(self) -> str:
            lines = iter(lambda: self.rfile.readline().decode(), ".\r\n")
            return "".join(lines)

        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

    return Handler
