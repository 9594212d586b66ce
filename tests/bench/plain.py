"""The same views under Django's own ASGI handler, to compare the web server with.

`tests.bench.plain_settings` turn off our connection pool as well.
"""

from __future__ import annotations

from config.asgi import in_the_loop as application

__all__ = ["application"]
