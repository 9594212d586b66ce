"""Outside world of the storm: executes effects, counts them by idempotency key, and can kill the caller."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Effect:
    key: str
    order: str
    run: str
    at: float


@dataclass
class Receiver:
    """Server of effects.

    Its tricks: "kill", the caller dies after the effect; "drop", no response after the effect; "lose", no effect and no
    response; "late", a response after the caller's timeout.
    """

    effects: list[Effect] = field(default_factory=list)
    tricks: deque[str] = field(default_factory=deque)
    killed: Callable[[list[int]], None] = lambda pids: None
    """Callback with the pids of each caller that a trick has killed."""

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/effects"

    def trick(self, name: str) -> bool:
        """Apply the trick to the next call."""
        self.tricks.append(name)
        return True

    def has_taken(self, order: str) -> bool:
        """Return True if the order took effect, as a person would see in the outside service."""
        return any(effect.order == order for effect in list(self.effects))

    def by_order(self) -> dict[str, list[Effect]]:
        found: dict[str, list[Effect]] = defaultdict(list)
        for effect in list(self.effects):
            found[effect.order].append(effect)
        return found

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received = self.rfile.read(length)
                if len(received) < length:
                    self.close_connection = True  # the caller died in the middle of the request
                    return
                body = json.loads(received)
                trick = receiver._next_trick()
                if trick != "lose":
                    key = self.headers["Idempotency-Key"]
                    receiver.effects.append(Effect(key, body["order"], body["run"], time.time()))
                if trick == "kill":
                    os.kill(int(self.headers["X-Pid"]), signal.SIGKILL)
                    receiver.killed([int(self.headers["X-Pid"])])
                if trick in ("kill", "drop", "lose"):
                    self.close_connection = True
                    return
                if trick == "late":
                    time.sleep(8)
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", "2")
                    self.end_headers()
                    self.wfile.write(b"ok")
                except OSError:
                    pass  # the caller has gone

            def log_message(self, format: str, *args: object) -> None:
                """Drop the access log."""

        return Handler

    def _next_trick(self) -> str:
        try:
            return self.tricks.popleft()
        except IndexError:
            return ""
