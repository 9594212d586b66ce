"""Loopback HTTP server for the Messages API. It has as much of HTTP/1.1 and its rules as clients need."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.standins.anthropic.answers import (
    BROKEN,
    OVERLOADED,
    RATE_LIMITED,
    Answer,
    Broken,
    Message,
    Raw,
    Refused,
    endless,
    error_body,
    event,
    events,
    message,
    new_id,
    text,
)  # fmt: skip
from tests.standins.anthropic.rules import broken_rule, wrong_calls

MOST_UNREAD = 256 * 1024
"""Bytes of an endless response that are buffered for a slow reader."""
Planned = Answer | Callable[[Mapping[str, Any]], Answer]
FAULTS: Mapping[str, Callable[[], Answer]] = {
    "rate_limit": lambda: Refused(status=429, type="rate_limit_error", headers={"retry-after": "1"}),
    "long_rate_limit": lambda: RATE_LIMITED,
    "overloaded": lambda: OVERLOADED,
    "server": lambda: BROKEN,
    "hang": lambda: Broken(message=message(text("Never said.")), how="hang"),
    "reset": lambda: Broken(message=message(text("Cut off in the middle.")), how="reset", after=4),
    "close": lambda: Broken(message=message(text("Ends too early.")), how="close", after=4),
    "error_event": lambda: Broken(message=message(text("Then an error.")), how="error", after=4),
    "malformed": lambda: Broken(message=message(text("Then rubbish.")), how="garbage", after=4),
    "drip": lambda: Broken(message=message(text("Very slowly.")), how="drip", after=2),
    "endless_text": lambda: endless("text"),
    "endless_arguments": lambda: endless("arguments"),
    "endless_thinking": lambda: endless("thinking"),
    "endless_blocks": lambda: endless("blocks"),
    "endless_pings": lambda: endless("pings"),
    "endless_nothing": lambda: endless("nothing"),
    "endless_comments": lambda: endless("comments"),
    "endless_line": lambda: endless("line"),
    "endless_header": lambda: endless("header"),
    "endless_error": lambda: endless("error"),
}
"""Faults by the names that `POST /__plan` accepts."""


@dataclass(frozen=True)
class Request:
    """Request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class AnthropicStandIn:
    """Server on a thread of its own. `answers` are played in order, then `otherwise`."""

    def __init__(
        self,
        *answers: Planned,
        otherwise: Planned | None = None,
        key: str = "",
        context_tokens: int = 1_000_000,
        port: int = 0,
        keep: int = 10_000,
    ) -> None:
        self.plan: deque[Planned] = deque(answers)
        self.otherwise: Planned = otherwise or (lambda body: message(text("Done.")))
        self.key = key
        self.context_tokens = context_tokens
        self.count = 0
        self.requests: deque[Request] = deque(maxlen=keep)
        self.finished: list[str] = []
        """Ids of the messages that were sent to their end."""
        self.raw_bytes = 0
        """Bytes of Raw responses that were handed to the socket."""
        self.issued: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._loop = asyncio.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=1024)
        self._port: int = self._socket.getsockname()[1]
        self._connections: set[_Connection] = set()
        self._absence: asyncio.Task[None] | None = None
        self._back_at = 0.0
        self._outage: list[tuple[float, str]] = []
        """Faults of the outage in order: (end on the monotonic clock, name of the fault)."""
        self._listens = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="anthropic-stand-in", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def answer(self, *answers: Planned) -> None:
        self.plan.extend(answers)

    def __enter__(self) -> Self:
        self._thread.start()
        self._listens.wait(10)  # stopping before it listens would interrupt its start
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._listens.set()
        with contextlib.closing(self._loop):
            self._loop.run_forever()
            self._server.close()
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.run_until_complete(asyncio.sleep(0))

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Connection(self), sock=self._socket)

    def go_away(self, seconds: float, *, spare: _Connection) -> None:
        """Refuse connections for some seconds, and close all but the one that asks."""
        self._back_at = max(self._back_at, time.monotonic() + seconds)
        if self._absence and not self._absence.done():
            return
        self._server.close()
        self._absence = self._loop.create_task(self._be_away(self._connections - {spare}))

    def forget_plan(self, seconds: float) -> None:
        """Drop the planned responses that were not requested within this time."""
        self._loop.call_later(seconds, self.plan.clear)

    def begin_outage(self, seconds: float, *, spare: _Connection) -> None:
        """Refuse connections, then answer overloaded, broken and silent, for a quarter of the time each."""
        part, now = seconds / 4, time.monotonic()
        self._outage = [(now + part * (n + 2), how) for n, how in enumerate(("overloaded", "server", "hang"))]
        self.go_away(part, spare=spare)

    def _fault_of_outage(self) -> str:
        now = time.monotonic()
        return next((how for until, how in self._outage if now < until), "")

    async def _be_away(self, present: set[_Connection]) -> None:
        for connection in present:
            connection.reset()
        while (left := self._back_at - time.monotonic()) > 0:
            await asyncio.sleep(left)
        self._socket = socket.create_server(("127.0.0.1", self._port), backlog=1024)
        await self._listen()

    def next_answer(self, request: Request) -> Answer:
        """Return the planned response, unless the request breaks a rule."""
        self.count += 1
        self.requests.append(request)
        refusal = self._refusal(request)
        if refusal:
            return refusal
        if fault := self._fault_of_outage():
            return FAULTS[fault]()
        planned = self.plan.popleft() if self.plan else self.otherwise
        answer = planned(request.body) if callable(planned) else planned
        if isinstance(answer, Message) and self.requests.maxlen and not wrong_calls(answer.content):
            for block in answer.content:
                if block["type"] == "tool_use" and "partial" not in block:
                    self.issued[block["id"]] = answer.content
        return answer

    def _refusal(self, request: Request) -> Refused | None:
        sent = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not sent or (self.key and sent != self.key):
            return Refused(status=401, type="authentication_error", words="invalid x-api-key")
        if "anthropic-version" not in request.headers:
            return Refused(status=400, type="invalid_request_error", words="anthropic-version: header is required")
        broken = broken_rule(request.body, self.issued)
        tokens = input_tokens(request.body)
        if tokens > self.context_tokens:
            broken = f"prompt is too long: {tokens} tokens > {self.context_tokens} maximum"
        return Refused(status=400, type="invalid_request_error", words=broken) if broken else None


def input_tokens(body: Mapping[str, Any]) -> int:
    """Return the count of the stand-in: four bytes a token."""
    return len(json.dumps([body.get("system"), body.get("tools"), body.get("messages")], ensure_ascii=False)) // 4


class _Connection(asyncio.Protocol):
    """Keep-alive connection that serves one request at a time."""

    def __init__(self, owner: AnthropicStandIn) -> None:
        self._owner = owner
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._owner._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner._connections.discard(self)
        if self._task:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, path, _ = line.split(" ", 2)
        self._handle(method, Request(path, headers, json.loads(rest[:length] or b"{}")))

    def _handle(self, method: str, request: Request) -> None:
        path = request.path.partition("?")[0]
        if method == "POST" and path == "/v1/messages":
            self._answer(request, self._owner.next_answer(request))
        elif method == "POST" and path == "/v1/messages/count_tokens":
            self._json(200, {"input_tokens": input_tokens(request.body)})
        elif method == "POST" and path == "/__plan":
            self._owner.answer(*(FAULTS[name]() for name in request.body["faults"]))
            if "seconds" in request.body:
                self._owner.forget_plan(request.body["seconds"])
            self._json(200, {"planned": len(self._owner.plan)})
        elif method == "POST" and path == "/__away":
            self._owner.go_away(request.body["seconds"], spare=self)
            self._json(200, {})
        elif method == "POST" and path == "/__outage":
            self._owner.begin_outage(request.body["seconds"], spare=self)
            self._json(200, {})
        elif path == "/__log":
            self._json(200, {"requests": self._owner.count, "finished": self._owner.finished})
        else:
            self._json(404, error_body("not_found_error", f"Not found: {path}", new_id("req")))

    def _answer(self, request: Request, answer: Answer) -> None:
        if isinstance(answer, Refused):
            request_id = new_id("req")
            body = error_body(answer.type, answer.words, request_id)
            self._json(answer.status, body, {"request-id": request_id, **answer.headers})
            return
        if isinstance(answer, Raw):
            self._task = asyncio.get_running_loop().create_task(self._raw(answer))
            return
        sent = answer.message if isinstance(answer, Broken) else answer
        pieces = list(events(sent, request.body["model"], input_tokens(request.body)))
        if isinstance(answer, Message) and not answer.delay_s and not answer.gap_s:
            self._owner.finished.append(answer.message_id)
            self._write(_stream_head() + _chunk(b"".join(pieces)) + b"0\r\n\r\n")
            return
        work = self._slow(answer, pieces) if isinstance(answer, Message) else self._broken(answer, pieces)
        self._task = asyncio.get_running_loop().create_task(work)

    async def _slow(self, answer: Message, pieces: Sequence[bytes]) -> None:
        await asyncio.sleep(answer.delay_s)
        self._write(_stream_head())
        for piece in pieces:
            self._write(_chunk(piece))
            await asyncio.sleep(answer.gap_s)
        self._owner.finished.append(answer.message_id)
        self._write(b"0\r\n\r\n")

    async def _raw(self, answer: Raw) -> None:
        assert self._transport
        self._write(answer.head or _stream_head())
        for piece in answer.pieces:
            if self._transport.is_closing():
                return
            self._write(piece if answer.head else _chunk(piece))
            self._owner.raw_bytes += len(piece)
            await asyncio.sleep(answer.gap_s)
            while self._transport.get_write_buffer_size() > MOST_UNREAD and not self._transport.is_closing():
                await asyncio.sleep(0.01)
        self._write(b"" if answer.head else b"0\r\n\r\n")
        if answer.head:
            self._transport.close()

    async def _broken(self, answer: Broken, pieces: Sequence[bytes]) -> None:
        if answer.how == "hang" and not answer.after:
            return
        self._write(_stream_head() + b"".join(_chunk(piece) for piece in pieces[: answer.after]))
        await asyncio.sleep(0.05)
        match answer.how:
            case "reset":
                self.reset()
            case "close":
                self._write(b"0\r\n\r\n")
            case "error":
                body = {"error": {"type": answer.error_type, "message": "Told in the middle."}}
                self._write(_chunk(event("error", **body)) + b"0\r\n\r\n")
            case "garbage":
                self._write(_chunk(b"event: content_block_delta\ndata: {not json\n\n") + b"0\r\n\r\n")
            case "drip":
                for byte in b"".join(pieces[answer.after :]):
                    self._write(_chunk(bytes([byte])))
                    await asyncio.sleep(answer.every_s)

    def _json(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._write(f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode() + data)

    def _write(self, data: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(data)

    def reset(self) -> None:
        """Close with RST, as a crashed machine in between would."""
        assert self._transport
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _stream_head() -> bytes:
    return (
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n"
        f"request-id: {new_id('req')}\r\ntransfer-encoding: chunked\r\n\r\n"
    ).encode()


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def serve_for_ever(stand_in: AnthropicStandIn) -> None:
    """Block until the process is told to end."""
    with stand_in:
        while True:
            time.sleep(3600)
