"""Proxy between Deskhand and a real object store. It fails as networks, full and busy stores do."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config
from django.conf import settings
from django.test import override_settings

ANSWERS: Mapping[str, tuple[int, str]] = {
    "busy": (503, "SlowDown"),
    "full": (507, "XMinioStorageFull"),
}
FAULTS = ("busy", "full", "reset", "silent")
"""Kinds of faults.

"busy" answers 503 to everything and "full" 507 to writes; "reset" sends RST in the middle of each body; "silent"
accepts the request and never answers.
"""
_PIECE = 64 * 1024
_OURS = ("connection", "expect", "keep-alive", "transfer-encoding")


class Between:
    """Loopback proxy that passes everything on unchanged, except for its faults."""

    def __init__(self, upstream: Callable[[], str]) -> None:
        self.upstream = upstream
        self.hit: Counter[str] = Counter()
        """Number of requests by fault; under "passed" those without one."""
        self.spare = 0
        """Requests that still pass before the first one that is hit."""
        self.said: dict[str, str] = {}
        """Headers that responses carry in place of the store's."""
        self._fault, self._until = "", 0.0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, how: str, *, seconds: float = float("inf"), spare: int = 0) -> None:
        """Set the fault until the time is over; "" ends it."""
        self._fault, self._until, self.spare = how, time.monotonic() + seconds, spare

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_fault(self, method: str) -> str:
        """Return the fault of this request, or ""."""
        is_hit = time.monotonic() < self._until and (self._fault != "full" or method in ("PUT", "POST"))
        fault = self._fault if is_hit and not self.spare else ""
        self.spare = max(0, self.spare - 1)
        self.hit[fault or "passed"] += 1
        return fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        return type("Handler", (_Handler,), {"between": self})


class _Handler(BaseHTTPRequestHandler):
    between: Between
    protocol_version = "HTTP/1.1"

    def _handle(self) -> None:
        fault = self.between.next_fault(self.command)
        try:
            if fault == "silent":
                self._wait_until_they_go()
            elif fault in ANSWERS:
                self._refuse(*ANSWERS[fault])
            else:
                self._pass_on(cut=fault == "reset")
        except (OSError, http.client.HTTPException):
            self._reset()  # one side has closed, so close the other

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _handle

    def handle_expect_100(self) -> bool:
        self._has_asked = True  # 100 Continue is sent with the first piece of the body, so that "silent" sends nothing
        return True

    def _body(self) -> Iterator[bytes]:
        if self.__dict__.pop("_has_asked", False):
            self.send_response_only(100)
            self.end_headers()
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            piece = self.rfile.read1(min(left, _PIECE))
            if not piece:
                raise ConnectionResetError
            left -= len(piece)
            yield piece

    def _wait_until_they_go(self) -> None:
        self.close_connection = True
        while self.connection.recv(_PIECE):
            pass

    def _refuse(self, status: int, code: str) -> None:
        for _ in self._body():
            pass
        told = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(told)

    def _pass_on(self, *, cut: bool) -> None:
        """Pass the request on. With `cut`, reset in the middle of its body, or of the response if it has none."""
        size = int(self.headers.get("Content-Length") or 0)
        store = http.client.HTTPConnection(urlsplit(self.between.upstream()).netloc, timeout=60)
        try:
            store.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OURS:
                    store.putheader(name, value)
            store.endheaders()
            sent = 0
            for piece in self._body():
                if cut and sent + len(piece) > size // 2:
                    store.send(piece[: max(0, size // 2 - sent)])
                    self._reset()
                    return
                store.send(piece)
                sent += len(piece)
            self._pass_back(store.getresponse(), cut=cut)
        finally:
            store.close()

    def _pass_back(self, answer: http.client.HTTPResponse, *, cut: bool) -> None:
        told = answer.headers.get("Content-Length")
        if told is None:
            whole = answer.read()
            told, content = str(len(whole)), iter([whole])
        else:
            content = iter(lambda: answer.read(_PIECE), b"")
        self.send_response_only(answer.status, answer.reason)
        said = self.between.said
        for name, value in answer.headers.items():
            if name.lower() not in (*_OURS, "content-length", *said):
                self.send_header(name, value)
        for name, value in said.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", told)
        self.end_headers()
        left = int(told) // 2 if cut else int(told)
        for piece in content:
            self.wfile.write(piece[:left])
            left -= len(piece[:left])
        if cut:
            self._reset()

    def _reset(self) -> None:
        """Close with RST, as a crashed machine in between would, even if others hold the socket."""
        self.close_connection = True
        if self.connection.fileno() >= 0:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def between_us_and_the_store(*, read_timeout_s: float = 0.5) -> Iterator[Between]:
    """Send the product's store requests through a proxy until the block ends, with short timeouts."""
    store = Between(lambda: settings.S3_ENDPOINT_URL)
    with store_at(store.url, read_timeout_s=read_timeout_s):
        yield store
    store.close()


@contextmanager
def store_at(url: str, *, read_timeout_s: float = 0.5) -> Iterator[None]:
    """Point the product at the store of that URL until the block ends, with short timeouts."""
    default: dict[str, Any] = settings.STORAGES["default"]
    impatient = Config(
        connect_timeout=0.5, read_timeout=read_timeout_s, retries={"max_attempts": 2, "mode": "standard"}
    )
    config = default["OPTIONS"]["client_config"].merge(impatient)
    options = {**default["OPTIONS"], "endpoint_url": url, "client_config": config}
    with override_settings(STORAGES={**settings.STORAGES, "default": {**default, "OPTIONS": options}}):
        yield
