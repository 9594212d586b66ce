"""The live view as server-sent events: the same frames as the socket, for clients that cannot open one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from accounts.errors import AppError, NotFound
from accounts.sockets import Caller, callers_team_ids, http_caller
from tasks import hub
from tasks.models import Run

PING_S = 20.0
RECHECK_S = 3.0


class SignInFirst(AppError):
    status = 401
    code = "not_authenticated"
    title = "Sign in first"


async def run_stream(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """`GET /api/v1/runs/<id>/stream/`. Continues after the header Last-Event-ID, or `?after=SEQ`."""
    caller = await sync_to_async(http_caller)(request)
    if caller is None:
        raise SignInFirst("Send an API key, or sign in.")
    if not await _may_look(caller, run_id):
        raise NotFound("There is nothing here, or it belongs to another team.")
    given = request.headers.get("Last-Event-ID") or request.GET.get("after", "0")
    response = StreamingHttpResponse(_frames(caller, run_id, hub.cursor(given)), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


async def _may_look(caller: Caller, run_id: UUID) -> bool:
    teams = await sync_to_async(callers_team_ids)(caller)
    return await Run.objects.filter(pk=run_id, team__in=teams).aexists()


async def _frames(caller: Caller, run_id: UUID, after: int) -> AsyncIterator[str]:
    frames = hub.of_this_loop().watch(run_id, after)
    pending = asyncio.ensure_future(anext(frames))
    last_ping = last_check = time.monotonic()
    try:
        while True:
            done, _ = await asyncio.wait({pending}, timeout=1.0)
            now = time.monotonic()
            if now - last_check > RECHECK_S:
                last_check = now
                if not await _may_look(caller, run_id):
                    return
            if done:
                frame = pending.result()
                ident = f"id: {frame.seq}\n" if frame.seq else ""
                yield f"{ident}event: {frame.body['kind']}\ndata: {frame.json}\n\n"
                pending = asyncio.ensure_future(anext(frames))
            elif now - last_ping > PING_S:
                last_ping = now
                yield 'event: ping\ndata: {"kind": "ping"}\n\n'
    except (StopAsyncIteration, hub.TooSlow, hub.Gone):
        return
    finally:
        pending.cancel()
        with suppress(asyncio.CancelledError, StopAsyncIteration, Exception):
            await pending
        await frames.aclose()
