"""The same views under nothing but Django's own ASGI handler: what the web server is compared with."""

from __future__ import annotations

from config.asgi import in_the_loop as application

__all__ = ["application"]
