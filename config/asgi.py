"""The front door: HTTP to Django, WebSockets to Channels, bodies through the guard (docs/adr/0001)."""

from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.core.asgi import get_asgi_application

http = get_asgi_application()

from accounts.sockets import SocketAuth
from config.body_guard import BodyGuard
from tasks import hub
from tasks.routing import websocket_urlpatterns


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """The server's start and stop. Before it stops, the live view lets go of its connections."""
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    await hub.close_of_this_loop()
    await send({"type": "lifespan.shutdown.complete"})


application = BodyGuard(
    ProtocolTypeRouter({"http": http, "websocket": SocketAuth(URLRouter(websocket_urlpatterns)), "lifespan": lifespan}),
    limit=settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    upload_limit=settings.UPLOAD_MAX_BYTES,
    upload_paths=settings.UPLOAD_PATHS,
)
