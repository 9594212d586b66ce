"""Small network: it records every connection of Python and leads "public" addresses to a loopback server."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tools.http import Egress

_watchers: list[list[Any]] = []


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for seen in _watchers:
            seen.append(arguments[1])


sys.addaudithook(_audit)


@contextmanager
def connections() -> Iterator[list[Any]]:
    """Addresses that this process connects to during the test, whatever code does it."""
    seen: list[Any] = []
    _watchers.append(seen)
    try:
        yield seen
    finally:
        _watchers.remove(seen)


class Site:
    """Loopback TCP server that answers each connection with `answer` and records the requests."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.answer: Callable[[socket.socket, bytes], None] = plain(b"ok")
        self.requests: list[bytes] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = peer.recv(65536)
                if not piece:
                    return
                request += piece
            self.requests.append(request)
            try:
                self.answer(peer, request)
            except OSError:
                return

    def close(self) -> None:
        self._listener.close()


def plain(body: bytes, *, status: str = "200 OK", **headers: str) -> Callable[[socket.socket, bytes], None]:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return lambda peer, _: peer.sendall("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)


def egress_to(site: Site, **more: Any) -> Egress:
    """Return an Egress in which every name is public and every connection ends at the site."""
    return Egress(
        resolve=lambda host, port: ["93.184.216.34"],
        dial=lambda address, port, timeout_s: socket.create_connection(("127.0.0.1", site.port), timeout=timeout_s),
        **more,
    )


class NoTls:
    """TLS context that encrypts nothing, for tests that are not about TLS."""

    def wrap_socket(self, plain_socket: socket.socket, server_hostname: str) -> socket.socket:
        return plain_socket


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    yield server
    server.close()
