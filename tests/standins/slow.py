"""HTTP service on loopback that answers when the test lets it, and counts who waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class SlowService:
    """The counters are written on the service's own loop and read by the test."""

    url: str = ""
    waiting: int = 0
    most_waiting: int = 0
    requests: list[str] = field(default_factory=list)
    """Value of each request's Idempotency-Key header, in the order of arrival."""
    hung_up: int = 0
    """Number of clients that closed the connection before the answer."""
    answer: threading.Event = field(default_factory=threading.Event)


@contextmanager
def slow_service() -> Iterator[SlowService]:
    """Serve until the block ends. Requests wait for `answer`."""
    service = SlowService()
    loop = asyncio.new_event_loop()
    ready, stop = threading.Event(), asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        keys = [line.partition(": ")[2] for line in head.split("\r\n") if line.lower().startswith("idempotency-key:")]
        service.requests.append(keys[0] if keys else "")
        service.waiting += 1
        service.most_waiting = max(service.most_waiting, service.waiting)
        closed = asyncio.ensure_future(reader.read(1))
        while not service.answer.is_set() and not closed.done():
            await asyncio.wait({closed}, timeout=0.02)
        service.waiting -= 1
        if closed.done():
            service.hung_up += 1
        else:
            closed.cancel()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone")
            await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=256)
        service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield service
    finally:
        service.answer.set()
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
