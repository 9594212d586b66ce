"""Current speed of this machine, relative to the reference machine of the targets."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.bench.figures import together
from tests.bench.server import server

OF_TARGETS = 1453.0
"""Responses per second of one view of plain Django under uvicorn (one process, 32 clients) on the reference machine."""
CLIENTS = 32
ROUND_S = 1.0


@contextmanager
def meter() -> Iterator[Callable[[], float]]:
    """Yield a function that measures the speed in two seconds: 1 equals the reference machine, 0.5 is half as fast."""
    with server("tests.bench.one_view:application") as port:

        def rate() -> float:
            return sum(together(CLIENTS, lambda: _call_on(port))) / ROUND_S

        rate()  # warms up
        yield lambda: max(rate(), rate()) / OF_TARGETS


def _call_on(port: int) -> int:
    end, done = time.perf_counter() + ROUND_S, 0
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        while time.perf_counter() < end:
            caller.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok"):
                if not (piece := caller.recv(4096)):
                    raise RuntimeError("the server hung up")
                answer += piece
            done += 1
    return done
