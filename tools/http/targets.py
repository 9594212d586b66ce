"""Check of a URL before it is fetched: parse strictly, resolve once, check every address."""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin

import idna
from django.conf import settings

from tools.http.addresses import Address, is_own, is_public
from tools.spec import ToolRefused

Resolver = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<rest>[/?][^#]*)?", re.IGNORECASE)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_URL = 8000
"""Characters of a URL."""
_LOOKUP_S = 5.0
"""Seconds of a DNS lookup."""
_REFUSED_AFTER_S = 0.1
"""Least seconds before a refusal, so that its time tells nothing."""
_NO_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_OF_INNER_NETWORKS = tuple(
    f".{name}" for name in ["internal", "local", "localhost", "lan", "home", "home.arpa", "corp", "intranet", "private"]
)
"""Names of these are refused alike, whether they exist or not: they would tell what stands in an inner network."""


class Blocked(ToolRefused):
    """URL outside the public web.

    Every refusal reads the same and takes the same time, so that it tells nothing about internal hosts.
    """

    code = "ssrf_blocked"

    def __init__(self, detail: str = "") -> None:
        super().__init__(
            detail
            or "ssrf_blocked: only public web addresses can be reached: http or https, a public host, the usual ports."
        )


class OtherHost(Blocked):
    """Redirect to another host, which is never followed. The caller may request it anew."""

    def __init__(self, location: str) -> None:
        super().__init__(f"ssrf_blocked: the page sends you to another host, {location}. If you want that, ask for it.")
        self.location = location


class NoSuchHost(ToolRefused):
    """Name that does not resolve, so that there is nothing to reach or to protect."""


class HostNotAllowed(ToolRefused):
    """Host outside the list that the agent may reach."""


@dataclass(frozen=True, slots=True)
class Target:
    """Parsed URL. `path` goes into the request line unchanged."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        is_default = self.port == (443 if self.scheme == "https" else 80)
        return f"{self.scheme}://{host}" + ("" if is_default else f":{self.port}")

    @property
    def url(self) -> str:
        return self.origin + self.path


def resolve(host: str, port: int) -> list[str]:
    """Return every address that the system's resolver finds."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def dial(address: str, port: int, timeout_s: float) -> socket.socket:
    return socket.create_connection((address, port), timeout=timeout_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """Rules for outgoing connections, with functions to resolve names and to connect."""

    ports: frozenset[int] = frozenset({80, 443, 8080, 8443})
    deny: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()
    allow: frozenset[tuple[str, int]] = frozenset()
    """Exact (address, port) pairs that are allowed although they are not public. For stand-ins in tests."""
    resolve: Resolver = field(default=resolve)
    dial: Dial = field(default=dial)

    @classmethod
    def of_settings(cls) -> Egress:
        pairs = (entry.rpartition(":") for entry in settings.EGRESS_ALLOW)
        return cls(
            ports=frozenset(settings.EGRESS_PORTS),
            deny=tuple(ipaddress.ip_network(net, strict=False) for net in settings.EGRESS_DENY),
            allow=frozenset((host.strip("[]"), int(port)) for host, _, port in pairs),
        )

    def admit(self, url: str, allowed_hosts: Sequence[str] = ()) -> tuple[Target, list[str]]:
        """Return the parsed URL and its checked IP addresses. Raises Blocked, HostNotAllowed or NoSuchHost."""
        started = time.monotonic()
        try:
            target = parse(url)
            _require_listed(target.host, allowed_hosts)
            return target, self._checked(target)
        except (Blocked, NoSuchHost):
            # Refusals before and after a lookup must take the same time.
            time.sleep(max(0.0, _REFUSED_AFTER_S - (time.monotonic() - started)))
            raise

    def _checked(self, target: Target) -> list[str]:
        """Return the addresses of the host. One forbidden address blocks the whole name."""
        found = [_address(text) for text in self._answers(target)]
        if not found or not all(self._may_reach(address, target.port) for address in found):
            raise Blocked
        return [str(address) for address in found]

    def _answers(self, target: Target) -> Sequence[str]:
        literal = _literal(target.host)
        if literal is not None:
            return [str(literal)]
        found: list[Sequence[str]] = []
        failed: list[OSError] = []

        def look() -> None:
            try:
                found.append(self.resolve(target.host, target.port))
            except OSError as error:
                failed.append(error)
            except UnicodeError:
                pass

        # The system's resolver knows no time limit, and one that hangs must not hold up the end of the worker either.
        thread = threading.Thread(target=look, name="lookup", daemon=True)
        thread.start()
        thread.join(_LOOKUP_S)
        if failed and target.port in self.ports and not target.host.endswith(_OF_INNER_NETWORKS):
            raise NoSuchHost(_why_not_found(target.host, failed[0]))
        return list(found[0]) if found else []

    def _may_reach(self, address: Address, port: int) -> bool:
        if (str(address), port) in self.allow:
            return True
        return (
            port in self.ports
            and is_public(address)
            and not is_own(address)
            and not any(address in net for net in self.deny)
        )


def _why_not_found(host: str, error: OSError) -> str:
    if isinstance(error, socket.gaierror) and error.errno in _NO_NAME:
        return f"There is no host named {host}. Check the address."
    return f"The address of {host} could not be looked up right now. Try it once more later."


def parse(url: str) -> Target:
    """Parse an http URL. Raises Blocked for anything that two parsers could read differently."""
    if len(url) > _MAX_URL or any(ord(char) <= 32 or char in '\\"<>^`{|}\x7f' for char in url):
        raise Blocked
    whole = _URL.fullmatch(url)
    authority = whole and _AUTHORITY.fullmatch(whole["authority"])
    if not whole or not authority:
        raise Blocked
    scheme = whole["scheme"].lower()
    port = int(authority["port"] or (443 if scheme == "https" else 80))
    if not 0 < port < 65536:
        raise Blocked
    return Target(scheme, _host(authority["host"]), port, _path(whole["rest"] or "/"))


def follow(target: Target, location: str) -> Target:
    """Return the target of a redirect.

    Raises Blocked, or OtherHost, unless it stays on the host and does not leave https.
    """
    if not location:
        raise Blocked
    goal = parse(urljoin(target.url, location).partition("#")[0])
    if target.scheme == "https" and goal.scheme == "http":
        raise Blocked
    if goal.host != target.host:
        if _literal(goal.host) is not None:
            raise Blocked
        raise OtherHost(goal.url)
    return goal


def _require_listed(host: str, allowed: Sequence[str]) -> None:
    """Raise HostNotAllowed unless the agent's list has the host.

    `example.com` matches itself, `*.example.com` everything below it. Checked before any lookup, because a looked-up
    name can carry a secret out.
    """
    entries = [each.strip().lower().rstrip(".") for each in allowed]
    if entries and not any(host == e or (e.startswith("*.") and host.endswith(e[1:])) for e in entries):
        raise HostNotAllowed(f"This agent may reach only: {', '.join(entries)}. {host} is not one of them.")


def _host(text: str) -> str:
    """Return the canonical host.

    It is a literal address, or an ASCII name with a dot inside and none at its end. Raises Blocked.
    """
    if text.startswith("["):
        try:
            return str(ipaddress.IPv6Address(text[1:-1]))
        except ValueError:
            raise Blocked from None
    name = _ascii(text.lower().removesuffix("."))
    labels = name.split(".")
    if len(name) > 253 or len(labels) < 2 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Blocked
    # A host that ends in a number must be a plain dotted IPv4 address.
    if _NUMBER.fullmatch(labels[-1]) and (not _QUAD.fullmatch(name) or any(int(label) > 255 for label in labels)):
        raise Blocked
    return name


def _ascii(name: str) -> str:
    """Encode the name by strict IDNA 2008. Characters that only look like digits, dots or letters raise Blocked."""
    try:
        if name.isascii() and "xn--" not in name:
            return name
        return idna.encode(idna.decode(name) if name.isascii() else name, strict=True).decode()
    except (idna.IDNAError, UnicodeError):
        raise Blocked from None


def _path(text: str) -> str:
    """Return the request target: a leading slash, and non-ASCII characters percent-encoded."""
    path = text if text.startswith("/") else f"/{text}"
    return "".join(char if char.isascii() else "".join(f"%{byte:02X}" for byte in char.encode()) for char in path)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _address(text: str) -> Address:
    """Parse an address from the resolver. Raises Blocked for other texts."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise Blocked from None
