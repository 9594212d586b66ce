"""HTTP client that sends one request to a checked address, with limits on size and time."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import certifi

from tools.errors import ToolFailed
from tools.http.targets import Blocked, Egress, Target, follow

MAX_BODY = 2 * 1024 * 1024
"""Bytes of an unpacked body."""
TIMEOUT_S = 20.0
MAX_REDIRECTS = 3
_CONNECT_S = 5.0
"""Seconds to connect to one address."""
_MOST_ADDRESSES = 3
"""Addresses of a host that are tried."""
_PIECE = 64 * 1024
"""Bytes of one read."""
_REDIRECTS = {301, 302, 303, 307, 308}
_OURS = {
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "expect",
    "proxy-authorization",
}
_USER_AGENT = "Deskhand/0.1 (an agent's tool)"


@dataclass(frozen=True, slots=True)
class Response:
    """Response to a request. Header names are in lower case; `is_cut` means that the body exceeded the limit."""

    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_cut: bool


def request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    allowed_hosts: Sequence[str] = (),
    max_body: int = MAX_BODY,
    timeout_s: float = TIMEOUT_S,
    max_redirects: int = MAX_REDIRECTS,
    egress: Egress | None = None,
) -> Response:
    """Send the request and return the response.

    Raises Blocked, HostNotAllowed or ToolFailed. Redirects are followed for GET and HEAD on the same host only, and
    each is checked again. With `max_redirects=0` a redirect is returned as the response.
    """
    egress = egress or Egress.of_settings()
    deadline = time.monotonic() + timeout_s
    for hop in range(max_redirects + 1):
        target, addresses = egress.admit(url, allowed_hosts)
        exchange = _Exchange(target, addresses, egress, deadline, max_body)
        response = exchange.run(method, _checked_headers(headers or {}), body)
        if response.status not in _REDIRECTS or max_redirects == 0:
            return response
        if method not in {"GET", "HEAD"} or hop == max_redirects:
            break
        url = follow(target, response.headers.get("location", "")).url
    raise Blocked


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if name.lower() in _OURS or not name.isascii() or any(char in "\r\n\0" for char in name + value):
            raise ToolFailed(f"The header '{name[:40]!a}' cannot be set.")
    return {"User-Agent": _USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip, deflate", **headers}


class _Exchange:
    """Request and response on one connection."""

    def __init__(
        self, target: Target, addresses: Sequence[str], egress: Egress, deadline: float, max_body: int
    ) -> None:
        self._target = target
        self._addresses = addresses
        self._egress = egress
        self._deadline = deadline
        self._max_body = max_body
        self._socket: socket.socket | None = None

    def run(self, method: str, headers: Mapping[str, str], body: bytes | None) -> Response:
        target = self._target
        # A peer that sends a byte a second never lets a read time out, so the socket is shut at the deadline.
        watchdog = threading.Timer(max(0.0, self._deadline - time.monotonic()), self._shut)
        watchdog.daemon = True
        watchdog.start()
        connection = _Pinned(target.host, target.port)
        connection.default_port = 443 if target.scheme == "https" else 80
        try:
            connection.sock = self._connect()
            connection.request(method, target.path, body=body, headers=dict(headers))
            answer = connection.getresponse()
            content, is_cut = self._read(answer)
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Response(target.url, answer.status, found, content, is_cut)
        except (OSError, http.client.HTTPException, zlib.error, ValueError) as problem:
            if time.monotonic() >= self._deadline:
                raise ToolFailed(f"{target.host} did not answer in time.") from problem
            raise ToolFailed(f"{target.host} could not be reached or gave no proper answer.") from problem
        finally:
            watchdog.cancel()
            connection.close()
            self._shut()

    def _connect(self) -> socket.socket:
        self._socket = plain = self._dial()
        plain.settimeout(max(0.1, self._deadline - time.monotonic()))
        if self._target.scheme == "http":
            return plain
        secure = tls().wrap_socket(plain, server_hostname=self._target.host)
        self._socket = secure
        return secure

    def _dial(self) -> socket.socket:
        """Connect to the first of the checked addresses that answers."""
        for address in self._addresses[:_MOST_ADDRESSES]:
            left = min(_CONNECT_S, self._deadline - time.monotonic())
            if left <= 0:
                break
            try:
                return self._egress.dial(address, self._target.port, left)
            except OSError:
                continue
        raise ConnectionError(f"none of {len(self._addresses)} addresses answered")

    def _read(self, answer: http.client.HTTPResponse) -> tuple[bytes, bool]:
        """Return the unpacked body up to the limit, and True if it was longer.

        A decompression bomb is unpacked no further than that.
        """
        decode = _decoder(answer.headers.get("Content-Encoding", ""))
        content = bytearray()
        while len(content) <= self._max_body:
            piece = answer.read1(_PIECE)
            if not piece:
                break
            content += decode(piece, self._max_body + 1 - len(content))
        # The watchdog, or a peer that promised more, closed the connection: the body is incomplete.
        if time.monotonic() >= self._deadline or (len(content) <= self._max_body and answer.length):
            raise ConnectionError("the body broke off")
        return bytes(content[: self._max_body]), len(content) > self._max_body

    def _shut(self) -> None:
        if self._socket is None:
            return
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class _Pinned(http.client.HTTPConnection):
    """Connection whose socket is made elsewhere: it must never resolve a name by itself."""

    def connect(self) -> None:
        raise OSError("the connection to the checked address is gone")


def _decoder(encoding: str) -> Callable[[bytes, int], bytes]:
    """Return a function that unpacks a piece of the body, up to a number of bytes. Raises ValueError."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda piece, most: piece
        case "gzip" | "x-gzip":
            return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress
        case "deflate":
            return zlib.decompressobj().decompress
    raise ValueError(f"unknown content encoding {encoding!r}")


@lru_cache(maxsize=1)
def tls() -> ssl.SSLContext:
    """Return a TLS context that trusts the system's authorities and certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
