"""The same views under nothing but Django's own ASGI handler: what the web server is compared with.

`tests.bench.plain_settings` take our pool of connections from it, too.
"""

from __future__ import annotations

from config.asgi import in_the_loop as application

__all__ = ["application"]
