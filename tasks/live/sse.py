"""Live view as server-sent events: the frames of the socket, for clients that cannot open one."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse

from accounts.errors import AppError, NotFound
from accounts.rest.errors import UNKNOWN, BadParameter, check_parameters
from accounts.sockets import Caller, http_caller
from tasks.live import hub
from tasks.live.access import allowed

PING_S = 20.0
"""Seconds between two pings."""
RECHECK_S = 3.0
"""Seconds between two access checks."""

_open: Counter[str] = Counter()
"""Number of streams in this process by caller."""


class SignInFirst(AppError):
    status = 401
    code = "not_authenticated"
    title = "Sign in first"


class TooManyStreams(AppError):
    status = 429
    code = "too_many_streams"
    title = "Too many streams are open"


async def run_stream(request: HttpRequest, run_id: UUID) -> HttpResponseBase:
    """Serve `GET /api/v1/runs/<id>/stream/`, after the header Last-Event-ID or `?after=SEQ`."""
    after, stay = _parse_parameters(request)
    caller = await sync_to_async(http_caller)(request)
    if caller is None:
        raise SignInFirst("Send an API key, or sign in.")
    if not await _may_look(caller, run_id):
        raise NotFound("This doesn’t exist, or you don’t have access to it.")
    if _open[caller.name] >= settings.LIVE_STREAMS:
        said = f"You read {settings.LIVE_STREAMS} streams already. Close one, then open this one."
        raise TooManyStreams(said, retry_after_s=5)
    response = StreamingHttpResponse(_frames(caller, run_id, after, stay=stay), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    response["X-Accel-Buffering"] = "no"
    return response


def _parse_parameters(request: HttpRequest) -> tuple[int, bool]:
    """Return the seq to continue after, and `stay`.

    Raises BadParameter. Browsers send the header by themselves, so it is not validated.
    """
    check_parameters(request.GET)
    for name in request.GET:
        if name not in ("after", "stay"):
            raise BadParameter(name[:60], UNKNOWN)
    after = str(request.GET.get("after", "0"))
    if not (after.isascii() and after.isdigit() and len(after) <= 10):
        raise BadParameter("after", "Give a whole number from 0.")
    stay = str(request.GET.get("stay", "false"))
    if stay not in ("true", "false"):
        raise BadParameter("stay", "Give true or false.")
    return hub.cursor(request.headers.get("Last-Event-ID") or after), stay == "true"


async def _may_look(caller: Caller, run_id: UUID) -> bool:
    return bool(await sync_to_async(allowed)({(caller, run_id)}))


async def _frames(caller: Caller, run_id: UUID, after: int, *, stay: bool) -> AsyncIterator[str]:
    """Yield the frames as text.

    The stream is counted here, because a response that nobody begins to read never ends.
    """
    _open[caller.name] += 1
    try:
        async with aclosing(_followed(caller, run_id, after, stay=stay)) as lines:
            async for line in lines:
                yield line
    finally:
        _open[caller.name] -= 1
        if _open[caller.name] <= 0:
            del _open[caller.name]


async def _followed(caller: Caller, run_id: UUID, after: int, *, stay: bool) -> AsyncGenerator[str, None]:
    frames = hub.get_hub().watch(run_id, after, stay=stay)
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
