"""Reader of the live view.

Each watched run has one in this process, however many people look at it. A viewer joins first and reads history
second, so that nothing is lost in between. Hints wake the reader; a look at the table every two seconds makes up for
lost ones. Each event is read and encoded once; a viewer that does not keep up is closed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import redis.asyncio as aredis
from django.conf import settings
from redis.exceptions import RedisError

from tasks import async_db, async_tasks, event_log, fragments
from tasks.live.access import AccessChecks
from tasks.models import TERMINAL, RunStatus

log = logging.getLogger(__name__)

POLL_S = 2.0
"""Seconds between two looks at the table."""
PAGE = 500
"""Events of one read."""
MAX_BEHIND = 1000
"""Frames that a viewer may lag behind before it is closed."""
MAX_DELTA_CHARS = 20_000

READ = """
SELECT seq, type, at, data FROM tasks_runevent WHERE run_id = %s AND seq > %s ORDER BY seq LIMIT %s
"""
STATES = "SELECT id, last_seq, status FROM tasks_run WHERE id = ANY(%s)"


class TooSlow(Exception):
    """Viewer that did not read what was sent; it may reconnect with its last seq."""


class Gone(Exception):
    """Run that no longer exists."""


@dataclass(frozen=True, eq=False)
class Frame:
    """Frame for viewers, encoded once for all of them."""

    body: dict[str, Any]
    run_id: UUID
    seq: int = 0

    @property
    def new_status(self) -> str:
        """Status that the run has from here on, if this frame ends or continues it; else "".

        It may arrive before its row.
        """
        match self.body.get("type"):
            case "run.finished":
                return str(self.body["data"]["status"])
            case "run.continued":
                return RunStatus.QUEUED
        return ""

    @cached_property
    def json(self) -> str:
        return json.dumps(self.body, ensure_ascii=False)

    @cached_property
    def json_with_html(self) -> str:
        return json.dumps(self.body | {"html": fragments.render(self.body)}, ensure_ascii=False)


@dataclass(eq=False)
class Viewer:
    """Place of one socket at a feed."""

    queue: asyncio.Queue[Frame | None] = field(default_factory=lambda: asyncio.Queue(MAX_BEHIND))
    is_slow: bool = False

    def put(self, frame: Frame) -> None:
        try:
            self.queue.put_nowait(frame)
        except asyncio.QueueFull:
            self.is_slow = True


class Feed:
    """Feed of one run and its viewers."""

    def __init__(self, run_id: UUID) -> None:
        self.run_id = run_id
        self.viewers: set[Viewer] = set()
        self.last_seq: int | None = None
        """Last event that was handed to the viewers; None before the first look."""
        self.wanted_seq = 0
        self.lock = asyncio.Lock()

    def hand_out(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            for viewer in self.viewers:
                viewer.put(frame)


class Hub:
    """Feeds of one event loop."""

    def __init__(self) -> None:
        self.rights = AccessChecks()
        self._feeds: dict[UUID, Feed] = {}
        self._pool = async_db.make_pool(max_size=4)
        self._opening = asyncio.Lock()
        self._is_open = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._valkey = aredis.Redis.from_url(f"{settings.REDIS_URL}/0", socket_connect_timeout=2)
        self._channel = self._valkey.pubsub()
        self._team_queues: dict[str, set[asyncio.Queue[dict[str, Any]]]] = {}

    async def _open(self) -> None:
        async with self._opening:
            if not self._is_open:
                await self._pool.open()
                self._is_open = True
                for work in (self._listen(), self._poll()):
                    task = asyncio.create_task(work)
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Close the connections of the event loop."""
        await async_tasks.end(list(self._tasks))
        await self.rights.close()
        await self._channel.aclose()  # type: ignore[no-untyped-call]
        await self._valkey.aclose()
        if self._is_open:
            await self._pool.close()

    # ---- For viewers

    async def watch(self, run_id: UUID, after: int, *, stay: bool = False) -> AsyncGenerator[Frame, None]:
        """Yield every event after `after`, once and in order, then `caught_up`, live events and deltas, then `end`.

        With `stay` the end of a failed run is not the last frame: more follow when somebody continues the run. Raises
        TooSlow, Gone.
        """
        await self._open()
        feed = self._feeds.setdefault(run_id, Feed(run_id))
        viewer = Viewer()
        feed.viewers.add(viewer)
        try:
            await self._subscribe(event_log.run_channel(run_id))
            status = await self._look(feed)
            sent = after = min(after, feed.last_seq or 0)  # a seq beyond the last event must not hide events
            async for frame in self._history(feed, after):
                sent, status = frame.seq, frame.new_status or status
                yield frame
            yield Frame({"kind": "caught_up", "seq": sent}, run_id)
            if status in TERMINAL:
                yield Frame({"kind": "end", "status": status}, run_id)
            while status not in TERMINAL or (stay and status == RunStatus.FAILED):
                got = await viewer.queue.get()
                if viewer.is_slow:
                    raise TooSlow
                if got is None:
                    raise Gone
                if got.seq and got.seq <= sent:
                    continue
                sent, status = got.seq or sent, got.new_status or status
                yield got
                if got.new_status in TERMINAL:
                    yield Frame({"kind": "end", "status": status}, run_id)
        finally:
            feed.viewers.discard(viewer)
            if not feed.viewers:
                self._feeds.pop(run_id, None)
                await self._unsubscribe(event_log.run_channel(run_id))

    async def _history(self, feed: Feed, after: int) -> AsyncIterator[Frame]:
        until = feed.last_seq or 0
        while after < until:
            rows = await self._read(feed.run_id, after, min(PAGE, until - after))
            if not rows:
                raise Gone
            for frame in rows:
                yield frame
            after = rows[-1].seq

    async def team_changes(self, team_id: UUID) -> AsyncIterator[dict[str, Any] | None]:
        """Yield status changes of the team's runs.

        Some may be lost; a None, at first and every few seconds, means "read the table". The first None comes after
        the channel is subscribed, so that no later change is lost.
        """
        await self._open()
        channel = event_log.team_channel(team_id)
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(MAX_BEHIND)
        self._team_queues.setdefault(channel, set()).add(queue)
        try:
            await self._subscribe(channel)
            yield None
            while True:
                try:
                    async with asyncio.timeout(POLL_S * 2):
                        message = await queue.get()
                    yield message
                except TimeoutError:
                    yield None
        finally:
            self._team_queues[channel].discard(queue)
            if not self._team_queues[channel]:
                del self._team_queues[channel]
                await self._unsubscribe(channel)

    # ---- Reading

    async def _read(self, run_id: UUID, after: int, limit: int) -> list[Frame]:
        async with self._pool.connection() as db:
            rows = await (await db.execute(READ, (run_id, after, limit))).fetchall()
        return [self._frame(run_id, row) for row in rows]

    @staticmethod
    def _frame(run_id: UUID, row: dict[str, Any]) -> Frame:
        at = row["at"].isoformat().replace("+00:00", "Z")
        event = {"run": str(run_id), "seq": row["seq"], "type": row["type"], "at": at, "data": row["data"]}
        return Frame({"kind": "event", **event}, run_id, row["seq"])

    async def _look(self, feed: Feed) -> str:
        """Hand out new events and return the run's status. Raises Gone."""
        async with self._pool.connection() as db:
            rows = await (await db.execute(STATES, ([feed.run_id],))).fetchall()
        if not rows:
            raise Gone
        await self._advance(feed, rows[0]["last_seq"])
        return str(rows[0]["status"])

    async def _advance(self, feed: Feed, seq: int) -> None:
        feed.wanted_seq = max(feed.wanted_seq, seq)
        async with feed.lock:
            if feed.last_seq is None:
                feed.last_seq = feed.wanted_seq
            while feed.last_seq < feed.wanted_seq:
                frames = await self._read(feed.run_id, feed.last_seq, PAGE)
                if not frames:
                    break
                feed.last_seq = frames[-1].seq
                feed.hand_out(frames)

    # ---- Hints

    async def _subscribe(self, channel: str) -> None:
        try:
            await self._channel.subscribe(channel)
        except (RedisError, OSError) as error:
            log.warning("no hints on %s, looking every %s s: %s", channel, POLL_S, error)

    async def _unsubscribe(self, channel: str) -> None:
        try:
            await self._channel.unsubscribe(channel)
        except (RedisError, OSError) as error:
            log.info("could not unsubscribe from %s: %s", channel, error)

    async def _listen(self) -> None:
        while True:
            try:
                if not self._channel.subscribed:
                    await asyncio.sleep(0.02)
                    continue
                message = await self._channel.get_message(ignore_subscribe_messages=True, timeout=1)
                if message and message["type"] == "message":
                    self._told(message["channel"].decode(), json.loads(message["data"]))
            except (RedisError, OSError, ValueError) as error:
                log.warning("hints are away, looking every %s s: %s", POLL_S, error)
                await asyncio.sleep(1)

    def _told(self, channel: str, message: dict[str, Any]) -> None:
        for queue in self._team_queues.get(channel, ()):
            if not queue.full():
                queue.put_nowait(message)
        if channel in self._team_queues:
            return
        feed = self._feeds.get(UUID(channel.rpartition(".")[2]))
        if feed is None:
            return
        if "seq" in message:
            task = asyncio.create_task(self._safely_advance(feed, message["seq"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif "delta" in message:
            text = str(message["delta"])[:MAX_DELTA_CHARS]
            feed.hand_out([Frame({"kind": "delta", "step": str(message["step"]), "text": text}, feed.run_id)])

    async def _safely_advance(self, feed: Feed, seq: int) -> None:
        try:
            await self._advance(feed, seq)
        except Exception as error:  # the next look at the table makes up for it
            log.warning("could not read run %s: %s", feed.run_id, error)

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            feeds = dict(self._feeds)
            if not feeds:
                continue
            try:
                async with self._pool.connection() as db:
                    rows = await (await db.execute(STATES, (list(feeds),))).fetchall()
                found = {row["id"]: row for row in rows}
                for run_id, feed in feeds.items():
                    if run_id in found:
                        await self._advance(feed, found[run_id]["last_seq"])
                    else:
                        for viewer in feed.viewers:
                            viewer.put(None)  # type: ignore[arg-type]
            except Exception as error:  # Postgres is away: viewers keep what they have
                log.warning("could not look at the watched runs: %s", error)


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def cursor(text: str) -> int:
    """Parse `?after=`; 0 if it is not a valid sequence number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else 0


def get_hub() -> Hub:
    """Return the hub of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub()
    return _hubs[loop]


async def close_hub() -> None:
    """Close the hub before its loop ends. A pool that is opening a connection ignores the loop's last cancellation."""
    if made := _hubs.pop(asyncio.get_running_loop(), None):
        await made.close()
