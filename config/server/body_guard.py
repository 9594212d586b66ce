"""ASGI middleware that cuts request bodies that are too large or too slow, before they are read.

Django reads a whole body before it looks at the path, so without this a 300 MB post to any address, a 404 included, is
stored first and refused later. uvicorn stops reading the socket when nobody takes the bytes, so a refused body is never
received (docs/adr/0001).
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Iterable
from string import Template
from uuid import uuid4

from asgiref.typing import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    HTTPScope,
    Scope,
)

from accounts.errors import DISK_FULL, is_disk_full

log = logging.getLogger(__name__)
MIB = 1024 * 1024
_FORM_OVERHEAD = MIB  # boundaries and part headers around an upload of exactly the allowed size
_SLOWEST_PER_S = 16 * 1024  # bytes; a body may take the stall time plus a second for each of these
_DRAIN_BYTES, _DRAIN_S = 4 * MIB, 1.0
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Same as templates/errors/, but without Django: refused requests never reach it.
_FRAGMENT = Template("""<div class="banner banner-bad" role="alert"><div><strong>$title.</strong> $detail \
<span class="fine">Request $request_id</span></div></div>
""")
_PAGE = Template("""<!doctype html>
<html lang="en" data-theme="system">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title · Deskhand</title><link rel="stylesheet" href="/static/app.css"></head>
<body><div class="bare"><main class="page page-narrow"><div class="card"><div class="empty py-20">
<h1 class="text-xl tracking-tight">$title</h1><p>$detail</p>
<div class="btn-row"><a class="btn" href="/">Go to the home page</a></div>
<p class="fine mt-4">$status, request $request_id</p>
</div></div></main></div></body>
</html>
""")


class _Refused(Exception):
    def __init__(self, status: int, code: str, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.title, self.detail = status, code, title, detail


class BodyGuard:
    """ASGI middleware. `upload_paths` are patterns of addresses with the larger limit; refusals carry `headers`."""

    def __init__(
        self,
        app: ASGI3Application,
        *,
        limit: int = 2 * MIB,
        upload_limit: int = 100 * MIB,
        upload_paths: Iterable[str] = (),
        stall_s: float = 20.0,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self.app = app
        self.limit = limit
        self.upload_limit = upload_limit + _FORM_OVERHEAD
        self.upload_paths = [re.compile(pattern) for pattern in upload_paths]
        self.stall_s = stall_s
        self.headers = list(headers)

    async def __call__(self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        is_upload = any(pattern.fullmatch(scope["path"]) for pattern in self.upload_paths)
        body = _Body(receive, self.upload_limit if is_upload else self.limit, self.stall_s)
        started = False

        async def watched_send(event: ASGISendEvent) -> None:
            nonlocal started
            started = True
            await send(event)

        try:
            body.check_announced(dict(scope["headers"]))
            await self.app(scope, body.receive, watched_send)
        except _Refused as refused:
            if started:
                raise
            await self._answer(refused, scope, receive, send)
        except OSError as problem:  # a large body is spooled to disk
            if started or not is_disk_full(problem):
                raise
            log.error("The disk is full: %s", problem)
            unavailable = _Refused(503, "unavailable", "Not available right now", DISK_FULL)
            await self._answer(unavailable, scope, receive, send)

    async def _answer(
        self, refused: _Refused, scope: HTTPScope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Send the refusal and close the connection.

        Some more of the body is read first: most clients read the response only after they have sent, and closing on
        unread bytes would discard it.
        """
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        request_id = given if _SANE_ID.fullmatch(given) else uuid4().hex
        content_type, body = _document(refused, request_id, scope["path"], headers)
        answer_headers = [
            (b"content-type", content_type),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
            (b"connection", b"close"),
            *self.headers,
            *([(b"retry-after", b"60")] if refused.status == 503 else []),
        ]
        status = refused.status
        await send({"type": "http.response.start", "status": status, "headers": answer_headers, "trailers": False})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


class _Body:
    """Body of one request during its arrival."""

    def __init__(self, receive: ASGIReceiveCallable, limit: int, stall_s: float) -> None:
        self._receive = receive
        self._limit = limit
        self._stall_s = stall_s
        self._size = 0
        self._is_complete = False
        self._began = time.monotonic()

    def check_announced(self, headers: dict[bytes, bytes]) -> None:
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > self._limit:
            raise self._too_large()

    async def receive(self) -> ASGIReceiveEvent:
        if self._is_complete:
            return await self._receive()
        allowed = self._stall_s + self._size / _SLOWEST_PER_S
        try:
            async with asyncio.timeout(self._began + allowed - time.monotonic()):
                event = await self._receive()
        except TimeoutError:
            raise _Refused(
                408, "request_timeout", "The request was too slow", "The body stopped coming: send it again."
            ) from None
        if event["type"] == "http.request":
            self._size += len(event["body"])
            self._is_complete = not event["more_body"]
            if self._size > self._limit:
                raise self._too_large()
        else:
            self._is_complete = True
        return event

    def _too_large(self) -> _Refused:
        return _Refused(
            413,
            "too_large",
            "The request is too large",
            f"At most {self._limit / MIB:.0f} MB fit here: send a smaller one, or upload a file first and refer to it.",
        )


def _document(refused: _Refused, request_id: str, path: str, headers: dict[bytes, bytes]) -> tuple[bytes, bytes]:
    """Return (content type, body) of the refusal: a fragment for htmx, a page for a browser, else problem+json."""
    is_api = path.startswith("/api/")
    words = {"title": refused.title, "detail": refused.detail, "status": refused.status, "request_id": request_id}
    if not is_api and b"hx-request" in headers:
        return b"text/html; charset=utf-8", _FRAGMENT.substitute(words).encode()
    if not is_api and b"text/html" in headers.get(b"accept", b""):
        return b"text/html; charset=utf-8", _PAGE.substitute(words).encode()
    problem = {"type": f"/docs/errors/#{refused.code}", "code": refused.code, "errors": [], **words}
    return b"application/problem+json", json.dumps(problem).encode()


async def _drain(receive: ASGIReceiveCallable) -> None:
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_S):
            while left > 0:
                event = await receive()
                if event["type"] != "http.request" or not event["more_body"]:
                    return
                left -= len(event["body"])
    except TimeoutError:
        return
