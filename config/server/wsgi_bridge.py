"""Pages and API calls as WSGI inside the ASGI server: one thread hop per request (docs/adr/0001).

No thread ever waits for a client: the body is complete before a thread starts (in memory, a large one on disk), and a
long response is taken in pieces, one hop each, as fast as the client reads.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from io import BytesIO
from typing import IO, Any
from wsgiref.types import WSGIApplication

from asgiref.typing import ASGIReceiveCallable, ASGISendCallable, HTTPScope

IN_MEMORY = 2 * 1024 * 1024
PIECE = 256 * 1024


class WsgiBridge:
    """ASGI application that wraps a WSGI application and runs it in `threads` threads."""

    def __init__(self, app: WSGIApplication, *, threads: int) -> None:
        self.app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def __call__(self, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if not _has_body(scope):
            await self._answer(_Exchange(self.app, _environ(scope, BytesIO(), 0)), receive, send)
            return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as body:
            size = await _fill(body, receive)
            if size is not None:
                await self._answer(_Exchange(self.app, _environ(scope, body, size)), receive, send)

    async def _answer(self, exchange: _Exchange, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        run = copy_context().run
        piece, is_last = await self._in_a_thread(run, exchange.begin)
        await send(
            {
                "type": "http.response.start",
                "status": exchange.status,
                "headers": exchange.headers,
                "trailers": False,
            }
        )
        if is_last:
            await send({"type": "http.response.body", "body": piece, "more_body": False})
            return
        left = asyncio.ensure_future(_left(receive))
        try:
            while not is_last and not left.done():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece, is_last = await self._in_a_thread(run, exchange.next_piece)
            await send({"type": "http.response.body", "body": piece, "more_body": False})
        finally:
            left.cancel()
            if not is_last:
                await self._in_a_thread(run, exchange.close)

    def _in_a_thread(self, *work: Any) -> asyncio.Future[Any]:
        """Run `work` in a thread, at half the cost of `run_in_executor`: no caller here cancels the wait."""
        loop = asyncio.get_running_loop()
        answered = loop.create_future()

        def tell(done: Future[Any]) -> None:
            if answered.done():
                return
            if error := done.exception():
                answered.set_exception(error)
            else:
                answered.set_result(done.result())

        self._threads.submit(*work).add_done_callback(lambda done: loop.call_soon_threadsafe(tell, done))
        return answered


class _Exchange:
    """One call of the WSGI application. Its methods run in threads, one after the other."""

    def __init__(self, app: WSGIApplication, environ: dict[str, Any]) -> None:
        self._app = app
        self._environ = environ
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self._is_closed = False

    def begin(self) -> tuple[bytes, bool]:
        self._result: Iterable[bytes] = self._app(self._environ, self._start)
        self._rest: Iterator[bytes] = iter(self._result)
        return self.next_piece()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    def next_piece(self) -> tuple[bytes, bool]:
        """Return the next piece of about PIECE bytes, and True if it is the last one.

        The end and any failure close the response.
        """
        chunks, size = [], 0
        try:
            for chunk in self._rest:
                chunks.append(chunk)
                size += len(chunk)
                if size >= PIECE:
                    return b"".join(chunks), False
        except BaseException:
            self.close()
            raise
        self.close()
        return b"".join(chunks), True

    def close(self) -> None:
        """Close the response: Django ends the request and returns the database connection."""
        close = getattr(self._result, "close", None)
        if close and not self._is_closed:
            self._is_closed = True
            close()


def _has_body(scope: HTTPScope) -> bool:
    return any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"])


async def _fill(body: IO[bytes], receive: ASGIReceiveCallable) -> int | None:
    """Read the whole body. Return its size, or None if the client disconnected."""
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] != "http.request":
            return None
        body.write(event["body"])
        size, more = size + len(event["body"]), event["more_body"]
    body.seek(0)
    return size


async def _left(receive: ASGIReceiveCallable) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _environ(scope: HTTPScope, body: IO[bytes], size: int) -> dict[str, Any]:
    server, client = scope.get("server") or ("localhost", 80), scope.get("client")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": scope.get("root_path", ""),
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "CONTENT_LENGTH": str(size),  # received size, not the announced one
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "REMOTE_ADDR": client[0] if client else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for raw_name, raw_value in scope["headers"]:
        if b"_" in raw_name or raw_name == b"content-length":  # a_b would become the header a-b
            continue
        name, value = raw_name.decode("latin-1").upper().replace("-", "_"), raw_value.decode("latin-1")
        key = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        if key in environ:
            value = environ[key] + ("; " if key == "HTTP_COOKIE" else ",") + value
        environ[key] = value
    return environ
