"""Send one request to a checked address and read at most so much, at most so long."""

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
TIMEOUT_S = 20.0
MAX_REDIRECTS = 3
_CONNECT_S = 5.0
_MOST_ADDRESSES = 3
_PIECE = 64 * 1024
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
    """What came back. Header names are in lower case; `is_cut` says that the body was longer than the limit."""

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
    """The answer, or Blocked, HostNotAllowed, or ToolFailed with a sentence.

    Redirects are followed for GET and HEAD on the same host only, each of them checked anew. With `max_redirects=0` a
    redirect is simply the answer.
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
    """One request and its answer on one connection."""

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
        # A peer that sends a byte a second never lets a single read time out; so at the deadline the socket is shut.
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
        """A connection to the first of the checked addresses that answers."""
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
        """The body, unpacked, up to the limit. A bomb is unpacked no further than the limit either."""
        decode = _decoder(answer.headers.get("Content-Encoding", ""))
        content = bytearray()
        while len(content) <= self._max_body:
            piece = answer.read1(_PIECE)
            if not piece:
                break
            content += decode(piece, self._max_body + 1 - len(content))
        # Shut by the watchdog, or by a peer that promised more: what looks like an end is none.
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
    """A connection whose socket we made: it must never look a name up by itself."""

    def connect(self) -> None:
        raise OSError("the connection to the checked address is gone")


def _decoder(encoding: str) -> Callable[[bytes, int], bytes]:
    """How to unpack pieces of the body, never to more than so many bytes at a time."""
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
    """Certificates are checked against the system's authorities and, where there are none, certifi's."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
