"""WSGI bridge: content of requests, and threads that never wait for a client."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from config.asgi import IN_THE_LOOP
from config.server.body_guard import BodyGuard
from config.server.wsgi_bridge import IN_MEMORY, PIECE, WsgiBridge
from tests.timeouts import PATIENCE_S

Events = list[dict[str, Any]]


def scope(path: str = "/", *headers: tuple[bytes, bytes], method: str = "POST") -> Any:
    return {
        "type": "http", "method": method, "path": path, "query_string": b"a=1", "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 8000), "client": ("10.0.0.9", 1234), "headers": headers,
    }  # fmt: skip


def body(*chunks: bytes) -> Events:
    return [{"type": "http.request", "body": chunk, "more_body": i < len(chunks) - 1} for i, chunk in enumerate(chunks)]


class Client:
    """Client that sends `events`, then nothing more until it disconnects; it records the response."""

    def __init__(self, events: Events) -> None:
        self._events = list(events)
        self.has_left = asyncio.Event()
        self.got: Events = []
        self.reads: Callable[[], Any] = lambda: asyncio.sleep(0)

    async def receive(self) -> Any:
        if self._events:
            return self._events.pop(0)
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Any) -> None:
        await self.reads()
        self.got.append(event)

    @property
    def content(self) -> bytes:
        return b"".join(event["body"] for event in self.got[1:])


def echo(environ: dict[str, Any], start: Any) -> list[bytes]:
    start("201 Created", [("X-Length", environ.get("CONTENT_LENGTH", "")), ("X-Names", ",".join(sorted(environ)))])
    return [environ["PATH_INFO"].encode("latin-1"), environ["wsgi.input"].read()]


async def call(app: Any, client: Client, of: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        await app(of, client.receive, client.send)


@pytest.mark.asyncio
async def test_a_chunked_body_arrives_whole_with_its_true_length():
    sent = [b"x" * (IN_MEMORY // 2)] * 3
    client = Client(body(*sent))

    await call(WsgiBridge(echo, threads=1), client, scope("/über/", (b"transfer-encoding", b"chunked")))

    headers = dict(client.got[0]["headers"])
    assert client.got[0]["status"] == 201
    assert headers[b"x-length"] == str(3 * (IN_MEMORY // 2)).encode()
    assert client.content == "/über/".encode() + b"".join(sent)


@pytest.mark.asyncio
async def test_a_header_with_an_underscore_cannot_stand_for_one_with_a_dash():
    client = Client([])

    await call(WsgiBridge(echo, threads=1), client, scope("/", (b"x_forwarded_for", b"1.2.3.4"), (b"x-team", b"a")))

    names = dict(client.got[0]["headers"])[b"x-names"].decode().split(",")
    assert "HTTP_X_TEAM" in names
    assert "HTTP_X_FORWARDED_FOR" not in names


@pytest.mark.asyncio
async def test_a_body_that_broke_off_is_never_worked_on():
    called = []
    client = Client([{"type": "http.request", "body": b"half", "more_body": True}])
    client.has_left.set()

    await call(WsgiBridge(lambda *a: called.append(a), threads=1), client, scope("/", (b"content-length", b"8")))

    assert called == []
    assert client.got == []


@pytest.mark.asyncio
async def test_clients_that_send_slowly_keep_no_thread_from_the_others():
    app = BodyGuard(WsgiBridge(echo, threads=1), stall_s=1.0)
    slow = Client([{"type": "http.request", "body": b"x", "more_body": True}])
    waiting = asyncio.create_task(call(app, slow, scope("/slow/", (b"content-length", b"9"))))
    await asyncio.sleep(0)
    quick = Client(body(b"now"))

    await call(app, quick, scope("/quick/", (b"content-length", b"3")))

    assert quick.content == b"/quick/now"
    assert slow.got == []
    slow.has_left.set()
    await waiting


@pytest.mark.asyncio
async def test_a_body_that_stalls_is_refused_by_the_guard_and_not_by_the_application():
    called = []
    client = Client([{"type": "http.request", "body": b"x", "more_body": True}])
    app = BodyGuard(WsgiBridge(lambda *a: called.append(a), threads=1), stall_s=0.1)

    await call(app, client, scope("/", (b"content-length", b"9")))

    assert client.got[0]["status"] == 408
    assert called == []


class Long:
    """Response of many pieces; it records how far it was read and that it was closed."""

    def __init__(self, pieces: int) -> None:
        self.pieces, self.taken, self.closed = pieces, 0, 0

    def __call__(self, environ: Any, start: Any) -> Long:
        start("200 OK", [])
        return self

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.pieces):
            self.taken += 1
            yield b"y" * PIECE

    def close(self) -> None:
        self.closed += 1


@pytest.mark.asyncio
async def test_a_long_answer_is_taken_as_fast_as_the_client_reads():
    answer = Long(5)
    client = Client([])
    ahead = []

    async def read_slowly() -> None:
        ahead.append(answer.taken - len(client.got))

    client.reads = read_slowly
    await call(WsgiBridge(answer, threads=1), client, scope(method="GET"))

    assert len(client.content) == 5 * PIECE
    assert max(ahead) <= 1
    assert answer.closed == 1


@pytest.mark.asyncio
async def test_an_answer_ends_when_its_client_leaves():
    answer = Long(1000)
    client = Client([])

    async def leave_after_three() -> None:
        if len(client.got) == 3:
            client.has_left.set()

    client.reads = leave_after_three
    await call(WsgiBridge(answer, threads=1), client, scope(method="GET"))

    assert answer.taken < 10
    assert answer.closed == 1


def views(patterns: list[Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from views(pattern.url_patterns, before + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield before + str(pattern.pattern), pattern.callback


def test_every_async_view_is_served_by_the_loop():
    found = [path for path, view in views(get_resolver().url_patterns) if asyncio.iscoroutinefunction(view)]

    assert found == ["api/v1/runs/<uuid:run_id>/stream/"]
    assert all(IN_THE_LOOP.fullmatch("/" + path) for path in found)
