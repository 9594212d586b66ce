"""Viewers that resume by cursor, over sockets and server-sent events, after any broken connection."""

from __future__ import annotations

import asyncio
import http.client
import json
import random
import urllib.request
from collections.abc import Iterator

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from tests.chaos.clients import World
from tests.chaos.history import View

STAY = 0.02
"""Probability per event that the viewer closes its laptop and opens it again."""

LEAVES_IN_S = 0.2
"""Seconds after which a closed laptop drops the frames that are still on their way."""


class Viewers:
    """Crowd of viewers, each on one run after the other until that run is over."""

    def __init__(self, world: World, *, sockets: int, streams: int) -> None:
        self._world = world
        self._counts = sockets, streams
        self._chance = random.Random(f"{world.seed}/viewers")  # noqa: S311

    def run(self) -> None:
        asyncio.run(self._watch_all())

    async def _watch_all(self) -> None:
        sockets, streams = self._counts
        await asyncio.gather(
            *(self._watch(self._by_socket) for _ in range(sockets)),
            *(self._watch(self._by_stream) for _ in range(streams)),
        )

    async def _watch(self, look: object) -> None:
        while not self._world.is_closing.is_set():
            runs = self._world.history.started[-40:]
            if not runs:
                await asyncio.sleep(0.2)
                continue
            view = View(self._chance.choice(runs))
            self._world.history.views.append(view)
            while not view.has_ended and not self._world.is_over.is_set():
                view.connections += 1
                try:
                    await look(view)  # type: ignore[operator]
                except (OSError, TimeoutError, WebSocketException, http.client.HTTPException):
                    await asyncio.sleep(self._chance.uniform(0.1, 0.6))

    async def _by_socket(self, view: View) -> None:
        address = f"{self._world.api.url.replace('http', 'ws')}/ws/runs/{view.run}/?after={view.cursor}"
        protocols = [Subprotocol("bearer"), Subprotocol(self._world.api.key)]
        async with connect(
            address, subprotocols=protocols, proxy=None, ping_interval=5, ping_timeout=10, close_timeout=LEAVES_IN_S
        ) as socket:
            async for text in socket:
                if self._take(view, json.loads(text)) or self._world.is_over.is_set():
                    return

    async def _by_stream(self, view: View) -> None:
        await asyncio.to_thread(self._read_stream, view)

    def _read_stream(self, view: View) -> None:
        headers = {"Authorization": f"Bearer {self._world.api.key}", "Last-Event-ID": str(view.cursor)}
        request = urllib.request.Request(f"{self._world.api.url}/api/v1/runs/{view.run}/stream/", headers=headers)  # noqa: S310
        with urllib.request.urlopen(request, timeout=25) as answer:  # noqa: S310 - our own
            for frame in _frames(answer):
                if self._take(view, frame) or self._world.is_over.is_set():
                    return

    def _take(self, view: View, frame: dict[str, object]) -> bool:
        """Record the frame. Return True if this connection is over."""
        if frame["kind"] == "end":
            view.has_ended = True
            return True
        if frame["kind"] == "event":
            view.take(int(str(frame["seq"])))
            return self._chance.random() < STAY
        return False


def _frames(answer: http.client.HTTPResponse) -> Iterator[dict[str, object]]:
    for line in answer:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])
