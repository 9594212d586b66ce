"""How the bench talks to the installation: its API, its live view, and its benchmark agent."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from typing import Any

from websockets.sync.client import ClientConnection, connect

from agents.models import Agent
from agents.services.agents import create_agent
from tests.faults.installation import Installation

TOOLS = ("report_progress", "list_files")


class Api:
    """One kept connection with the demo team's key."""

    def __init__(self, desk: Installation, port: int | None = None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port or desk.port, timeout=60)
        self._used = time.monotonic()
        self._headers = {"Authorization": f"Bearer {desk.demo['api_key']}", "Content-Type": "application/json"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        if time.monotonic() - self._used > 3:  # the server closes idle connections after five
            self._connection.close()
        self._used = time.monotonic()
        self._connection.request(method, f"/api/v1{path}", json.dumps(body) if body else None, self._headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text)


def watch(desk: Installation, run_id: Any) -> ClientConnection:
    url = f"ws://127.0.0.1:{desk.port}/ws/runs/{run_id}/"
    return connect(url, subprotocols=["bearer", desk.demo["api_key"]])  # type: ignore[list-item]


def bench_agent(name: str = "Bench", *, tools: Sequence[str] = TOOLS, **given: Any) -> Agent:
    """The agent of that name; if there is none, one of the demo model that plays five turns and four tool calls."""
    team = Agent.objects.select_related("team").earliest("created_at").team
    found = Agent.objects.for_team(team).filter(name=name).first()
    if found:
        return found
    demo = {"runtime": "demo", "options": {"script": "bench"}, "max_concurrent_runs": 1000}
    policies = [{"tool": tool, "policy": "allow"} for tool in tools]
    words = "Play the benchmark."
    return create_agent(team=team, actor=None, name=name, instructions=words, tools=policies, **demo | given)
