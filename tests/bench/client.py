"""Client of the bench: the API, the live view, and the benchmark agent."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Sequence
from typing import Any

import httptools
from websockets.sync.client import ClientConnection, connect

from accounts.models import Team
from agents.models import Agent
from agents.services.agents import create_agent
from tests.faults.installation import Installation

SHORTER = 4 if os.environ.get("SHORT") else 1
"""`SHORT=1 make bench` does a part of the work: to see that it runs, not to tell a figure."""
TOOLS = ("report_progress", "list_files")


class Api:
    """One persistent connection with the demo team's key.

    It does as little as possible: only the server's time counts.
    """

    def __init__(self, desk: Installation, port: int | None = None, key: str = "") -> None:
        self._address = ("127.0.0.1", port or desk.port)
        self._key = key or desk.demo["api_key"]
        self._socket: socket.socket | None = None
        self._used = 0.0

    def call(self, method: str, path: str, body: Any = None) -> Any:
        content = json.dumps(body) if body else ""
        head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
        what = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if content else ""
        connection = self._connection()
        connection.sendall(f"{head}{what}\r\n{content}".encode())
        answer = Answer.read(connection)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return json.loads(answer.body)

    def _connection(self) -> socket.socket:
        if self._socket and time.monotonic() - self._used > 3:  # the server closes idle connections after five
            self._socket.close()
            self._socket = None
        self._used = time.monotonic()
        if self._socket is None:
            self._socket = socket.create_connection(self._address, timeout=60)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self._socket


class Answer:
    """Parsed response."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 0
        self.is_whole = False

    @classmethod
    def read(cls, connection: socket.socket) -> Answer:
        """Return the next response on the connection."""
        answer = cls()
        parser = httptools.HttpResponseParser(answer)
        while not answer.is_whole:
            piece = connection.recv(1 << 16)
            if not piece:
                raise RuntimeError("the server hung up")
            parser.feed_data(piece)
        answer.status = parser.get_status_code()
        return answer

    def on_body(self, piece: bytes) -> None:
        self.body += piece

    def on_message_complete(self) -> None:
        self.is_whole = True


def watch(desk: Installation, run_id: Any) -> ClientConnection:
    url = f"ws://127.0.0.1:{desk.port}/ws/runs/{run_id}/"
    return connect(url, subprotocols=["bearer", desk.demo["api_key"]])  # type: ignore[list-item]


def bench_agent(name: str = "Bench", *, team: Team | None = None, tools: Sequence[str] = TOOLS, **given: Any) -> Agent:
    """Return the agent of that name; create one if it is missing.

    A new agent uses the demo model with five turns and four tool calls.
    """
    team = team or Agent.objects.select_related("team").earliest("created_at").team
    found = Agent.objects.for_team(team).filter(name=name).first()
    if found:
        return found
    demo = {"runtime": "demo", "options": {"script": "bench"}, "max_concurrent_runs": 1000}
    policies = [{"tool": tool, "policy": "allow"} for tool in tools]
    words = "Play the benchmark."
    return create_agent(team=team, actor=None, name=name, instructions=words, tools=policies, **demo | given)
