"""ASGI entry point: body limits, WebSockets, WSGI in threads, and streams on the event loop (docs/adr/0001)."""

from __future__ import annotations

import gc
import os
import re
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

in_threads, in_the_loop = get_wsgi_application(), get_asgi_application()

from accounts.sockets import SocketAuth
from config.server import dead_sockets
from config.server.body_guard import BodyGuard
from config.server.browser_security import headers_before_django
from config.server.wsgi_bridge import WsgiBridge
from tasks.live import hub
from tasks.live.routing import websocket_urlpatterns

IN_THE_LOOP = re.compile(r"/api/v1/runs/[^/]+/stream/?|/health/(live|ready)/")
"""Paths served on the event loop: streams that stay open, and health checks.

The checks must answer when every thread is busy.
"""


class Http:
    """HTTP application.

    A request costs one thread hop (WSGI); Django's ASGI handler would take one per middleware layer.
    """

    def __init__(self) -> None:
        self._threads = WsgiBridge(in_threads, threads=settings.WEB_THREADS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = in_the_loop if IN_THE_LOOP.fullmatch(scope["path"]) else self._threads
        await app(scope, receive, send)


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Handle the server's start and stop; the live hub closes its connections before the stop."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await hub.close_hub()
    await send({"type": "lifespan.shutdown.complete"})


dead_sockets.install()
application = BodyGuard(
    ProtocolTypeRouter(
        {"http": Http(), "websocket": SocketAuth(URLRouter(websocket_urlpatterns)), "lifespan": lifespan}
    ),
    limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    upload_limit=settings.UPLOAD_MAX_BYTES,
    upload_paths=settings.UPLOAD_PATHS,
    headers=headers_before_django(
        hsts_s=settings.SECURE_HSTS_SECONDS, with_subdomains=settings.SECURE_HSTS_INCLUDE_SUBDOMAINS
    ),
)

# Objects loaded so far live as long as the process. The garbage collector would walk all of them again and again, for
# about 0.1 s in which no request is served. Load the pages here as well, not on the first request.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 50, 20)
