"""Stand-in for an object store that can damage or refuse what it is given."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from django.test import override_settings


class Store(BaseHTTPRequestHandler):
    """Object store that appends `damage` to each object."""

    kept: dict[str, bytes] = {}
    puts = 0
    damage = b"!"
    status = 200

    def do_PUT(self) -> None:
        type(self).puts += 1
        self.kept[self.path] = self.rfile.read(int(self.headers["Content-Length"])) + self.damage
        self._answer(self.status, b"")

    def do_HEAD(self) -> None:
        self._answer(200 if self.path in self.kept else 404, self.kept.get(self.path, b""))

    do_GET = do_HEAD

    def do_DELETE(self) -> None:
        self.kept.pop(self.path, None)
        self._answer(204, b"")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"1"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@contextmanager
def damaging_store() -> Iterator[type[Store]]:
    """Replace the product's object store until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Store)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    Store.kept, Store.puts, Store.damage, Store.status = {}, 0, b"!", 200
    default: dict[str, Any] = settings.STORAGES["default"]
    options = {**default["OPTIONS"], "endpoint_url": f"http://127.0.0.1:{server.server_port}"}
    with override_settings(STORAGES={**settings.STORAGES, "default": {**default, "OPTIONS": options}}):
        yield Store
    server.shutdown()
    server.server_close()
