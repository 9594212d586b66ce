"""Viewers of one run in a process of its own. They only record when which bytes arrived, to cost little.

`python -m tests.bench.viewers PORT RUN EVENTS TOKEN…` opens a socket for each token, prints `ready` when all are caught
up, and prints when each viewer got each event once it has EVENTS of them. Times are on the machine's monotonic clock,
which all processes share.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from bisect import bisect_left

CAUGHT_UP = b'{"kind": "caught_up"'
EVENT = re.compile(rb'\{"kind": "event", "run": "[^"]+", "seq": (\d+)')


class Viewer(asyncio.Protocol):
    def __init__(self, hello: bytes, events: int) -> None:
        self._hello = hello
        self._events = events
        self._came: list[tuple[int, float]] = []
        self._bytes = bytearray()
        self._live_from = 0
        loop = asyncio.get_running_loop()
        self.caught_up = loop.create_future()
        self.done = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(self._hello)

    def data_received(self, data: bytes) -> None:
        self._bytes += data
        self._came.append((len(self._bytes), time.monotonic()))
        if not self._live_from and CAUGHT_UP in self._bytes:
            self._live_from = len(self._bytes)
            self.caught_up.set_result(None)
        elif self._live_from:
            self._events -= data.count(b'"kind": "event"')
            if self._events <= 0 and not self.done.done():
                self.done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        for future in (self.caught_up, self.done):
            if not future.done():
                future.set_exception(ConnectionError(f"closed by the server: {bytes(self._bytes[-200:])!r}"))

    def seen(self) -> list[tuple[int, float]]:
        """Return (seq, arrival time of its last byte) for each live event."""
        ends = [end for end, _ in self._came]
        found = EVENT.finditer(self._bytes, self._live_from)
        return [(int(match[1]), self._came[bisect_left(ends, match.end())][1]) for match in found]


def _hello(port: str, run: str, token: str) -> bytes:
    lines = [
        f"GET /ws/runs/{run}/ HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        f"Sec-WebSocket-Protocol: bearer, {token}",
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",  # as browsers do
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def main(port: str, run: str, events: str, *tokens: str) -> None:
    loop = asyncio.get_running_loop()
    viewers = []
    for token in tokens:
        hello = _hello(port, run, token)
        _, viewer = await loop.create_connection(lambda hello=hello: Viewer(hello, int(events)), "127.0.0.1", int(port))
        viewers.append(viewer)
        if len(viewers) % 20 == 0:
            await asyncio.gather(*(viewer.caught_up for viewer in viewers))
    await asyncio.gather(*(viewer.caught_up for viewer in viewers))
    print("ready", flush=True)
    await asyncio.gather(*(viewer.done for viewer in viewers))
    print(json.dumps([seen for viewer in viewers for seen in viewer.seen()]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
