"""WebSockets: the live view of one run, and the feed of a team. Both only send what the hub reads."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings
from django.db.models import Count, Max

from accounts.models import Notification, Role, Team
from accounts.models.notifications import ABOUT_RUNS
from accounts.sockets import READERS, Caller, access_of, callers_team_ids
from tasks import async_tasks, frames
from tasks.live import hub
from tasks.live.access import allowed
from tasks.models import HumanRequest, Run, RunStatus
from tasks.services import shares

log = logging.getLogger(__name__)

PING_S = 20.0
"""Seconds between two pings."""
RECHECK_S = 3.0
"""Seconds between two access checks."""
NOT_SIGNED_IN, NOT_ALLOWED, NO_SUCH_RUN, TOO_MANY, TOO_SLOW = 4401, 4403, 4404, 4429, 4408
"""Close codes of the sockets."""

_open: Counter[str] = Counter()


def _release(name: str) -> None:
    _open[name] -= 1
    if _open[name] <= 0:
        del _open[name]


class LiveConsumer(AsyncWebsocketConsumer):
    """Base of our sockets: authentication, repeated access checks, pings. Messages from clients are not accepted."""

    channel_layer_alias = "none"

    async def connect(self) -> None:
        self.caller: Caller | None = self.scope["caller"]
        self._works: list[asyncio.Task[None]] = []
        self._name = self.name()
        _open[self._name] += 1
        protocols = self.scope.get("subprotocols", [])
        try:
            await self.accept(subprotocol="bearer" if protocols[:1] == ["bearer"] else None)
            code = await self.refuse()
        except BaseException:  # disconnect() is not called then
            _release(self._name)
            raise
        if code is None and _open[self._name] > settings.LIVE_SOCKETS:
            code = TOO_MANY
        if code is not None:
            await self.close(code)
            return
        for work in (self.show(), self._ping(), self._recheck()):
            self._works.append(asyncio.create_task(work))

    async def disconnect(self, code: int) -> None:
        _release(self._name)
        await async_tasks.end(self._works)

    async def send(self, text_data: str | None = None, bytes_data: bytes | None = None, close: bool = False) -> None:
        """Send to the viewer; ignore the OSError for one that has just left. `disconnect()` follows."""
        with suppress(OSError):
            await super().send(text_data, bytes_data, close)

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        with suppress(OSError):
            await super().close(code, reason)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Answer any message with an error: actions go through the API, which checks them."""
        await self.send(json.dumps({"kind": "error", "detail": "This socket only sends. Use the API to act."}))

    def name(self) -> str:
        """Return the name under which sockets are counted."""
        return self.caller.name if self.caller else "anyone"

    async def refuse(self) -> int | None:
        """Return the close code for a caller without access, or None."""
        raise NotImplementedError

    async def show(self) -> None:
        raise NotImplementedError

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(PING_S)
            await self.send('{"kind": "ping"}')

    async def _recheck(self) -> None:
        while True:
            # All sockets check at the same moments of the loop's clock, so that one query answers them all.
            await asyncio.sleep(RECHECK_S - asyncio.get_running_loop().time() % RECHECK_S)
            try:
                code = await self.refuse()
            except Exception as error:  # the database is away: keep the socket and ask again
                log.warning("could not check a viewer's right: %s", error)
                continue
            if code is not None:
                await self.close(code)
                return


class RunConsumer(LiveConsumer):
    """Socket `/ws/runs/<id>/?after=SEQ[&as=html][&stay=true]`: every stored event after SEQ, then live ones."""

    async def refuse(self) -> int | None:
        if self.caller is None:
            return NOT_SIGNED_IN
        may_look = await hub.get_hub().rights.may_look(self.caller, self.run_id)
        return None if may_look else NO_SUCH_RUN

    @property
    def run_id(self) -> UUID:
        run_id: UUID = self.scope["url_route"]["kwargs"]["run_id"]
        return run_id

    async def show(self) -> None:
        query = parse_qs(self.scope["query_string"].decode("latin-1"))
        after = query.get("after", ["0"])[0]
        as_html = query.get("as", [""])[0] == "html"
        stay = query.get("stay", [""])[0] == "true"
        try:
            frames = hub.get_hub().watch(self.run_id, hub.cursor(after), stay=stay)
            async for frame in frames:
                await self.send(self.encode(frame, as_html))
            await self.close(1000)
        except hub.TooSlow:
            await self.close(TOO_SLOW)
        except hub.Gone:
            await self.close(NO_SUCH_RUN)
        except Exception:
            log.exception("the live view of run %s broke", self.run_id)
            await self.close(1011)

    def encode(self, frame: hub.Frame, as_html: bool) -> str:
        return frame.json_with_html if as_html else frame.json


class ShareConsumer(RunConsumer):
    """Socket `/ws/share/<token>/`: the same for anyone with a link that was not revoked."""

    def name(self) -> str:
        """Return the name of the link, which has a limit of its own."""
        return f"share:{self.scope['url_route']['kwargs']['token']}"

    async def refuse(self) -> int | None:
        run = await database_sync_to_async(shares.shared_run)(self.scope["url_route"]["kwargs"]["token"])
        if run is None:
            return NO_SUCH_RUN
        self._run_id: UUID = run.pk
        return None

    def encode(self, frame: hub.Frame, as_html: bool) -> str:
        body = frames.public(frame.body)
        return super().encode(frame if body is frame.body else hub.Frame(body, frame.run_id, frame.seq), as_html)

    @property
    def run_id(self) -> UUID:
        return self._run_id


class FeedConsumer(LiveConsumer):
    """Socket `/ws/feed/[?team=slug]` of a team.

    It sends status changes of runs, the count of open requests, and the person's bell. A person who sees no runs gets
    the bell only; after a role change that matters, the socket closes to be opened again.
    """

    _last_bell: dict[str, Any] | None = None
    _last_desk: dict[str, Any] | None = None
    _sees_runs: bool | None = None

    async def refuse(self) -> int | None:
        if self.caller is None:
            return NOT_SIGNED_IN
        self.team_id = await self._team(self.caller, READERS)
        sees_runs = self.team_id is not None
        if not sees_runs:
            self.team_id = await self._team(self.caller, Role.values)
        if self.team_id is None or self._sees_runs not in (None, sees_runs):
            return NOT_ALLOWED
        self._sees_runs = sees_runs
        return None

    @database_sync_to_async
    def _team(self, caller: Caller, roles: Collection[str]) -> Any:
        allowed = callers_team_ids(caller, roles)
        slug = parse_qs(self.scope["query_string"].decode("latin-1")).get("team", [""])[0]
        if not slug:
            return allowed[0] if allowed else None
        return Team.objects.filter(slug=slug, pk__in=allowed).values_list("pk", flat=True).first()

    async def show(self) -> None:
        async for message in hub.get_hub().team_changes(self.team_id):
            if message is None:
                if self._sees_runs:
                    await self._count()
                await self._send_bell()
            elif "bell" in message:
                if self._person in message["bell"]:
                    await self._send_bell()
            elif self._sees_runs:
                if await self._may_see(message):
                    await self.send(json.dumps({"kind": "run", **message}))
                await self._count()

    @property
    def _person(self) -> str:
        """Return the id of the bell's person; "" for a key."""
        return str(self.caller.user_id) if self.caller and self.caller.user_id else ""

    async def _send_bell(self) -> None:
        """Send the number of unread notifications if it, or the newest one, has changed."""
        if self.caller is None or self.caller.user_id is None:
            return
        mine = Notification.objects.filter(team_id=self.team_id, person_id=self.caller.user_id, is_shown=True)
        if not self._sees_runs:
            mine = mine.exclude(kind__in=ABOUT_RUNS)
        newest = await mine.unread().aaggregate(count=Count("pk"), newest=Max("created_at"))
        if newest != self._last_bell:
            self._last_bell = newest
            await self.send(json.dumps({"kind": "bell", "unread": newest["count"]}))

    async def _count(self) -> None:
        desk = await self._desk()
        if desk != self._last_desk:
            self._last_desk = desk
            await self.send(json.dumps({"kind": "inbox", **desk}))

    @database_sync_to_async
    def _desk(self) -> dict[str, Any]:
        """Return the number of open requests, and True if a run is running.

        Only what the caller sees counts. Without access both are empty; the socket is about to close.
        """
        access = access_of(self.caller, self.team_id) if self.caller else None
        if access is None:
            return {"count": 0, "running": False}
        is_running = Run.objects.visible_to(access).filter(status=RunStatus.RUNNING).exists()
        return {"count": HumanRequest.objects.visible_to(access).open().count(), "running": is_running}

    @database_sync_to_async
    def _may_see(self, message: dict[str, Any]) -> bool:
        return self.caller is not None and bool(allowed({(self.caller, UUID(message["run"]))}))
