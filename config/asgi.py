"""The front door: bodies through the guard, WebSockets to Channels, pages and API to Django in threads, and what lives
long to Django's async side (docs/adr/0001)."""

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
"""Answers that last as long as someone looks, and those that must come when every thread is busy."""


class Http:
    """One hop to a thread for a request (WSGI); Django's ASGI handler takes one for each layer."""

    def __init__(self) -> None:
        self._threads = WsgiBridge(in_threads, threads=settings.WEB_THREADS)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        app = in_the_loop if IN_THE_LOOP.fullmatch(scope["path"]) else self._threads
        await app(scope, receive, send)


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The server's start and stop. Before it stops, the live view lets go of its connections."""
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

# What is loaded now stays for ever. The collector would walk all of it again and again, a tenth of a second in which
# nobody is answered; so the pages are loaded here too, and not by the first request.
_ = get_resolver().url_patterns
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 50, 20)
