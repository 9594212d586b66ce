"""IP addresses of the public internet, by tables of our own: `ipaddress` differs between Python releases.

Sources: the IANA special-purpose registries for IPv4 and IPv6, plus addresses on which clouds serve metadata.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import pairwise
from pathlib import Path

Address = IPv4Address | IPv6Address

_SPECIAL_4 = tuple(
    IPv4Network(net)
    for net in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's host
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
_SPECIAL_6 = tuple(
    IPv6Network(net)
    for net in (
        "2001::/23",  # Teredo, benchmarks, ORCHID and others
        "2001:db8::/32",
        "2002::/16",  # 6to4 carries an IPv4 address
        "2620:4f:8000::/48",
        "3fff::/20",
    )
)
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_public(address: Address) -> bool:
    """Return True if the address is global unicast and embeds no IPv4 address."""
    if isinstance(address, IPv4Address):
        return not any(address in net for net in _SPECIAL_4)
    if address.scope_id or address not in _GLOBAL_6 or any(address in net for net in _SPECIAL_6):
        return False
    return (int(address) >> 32) & 0xFFFFFFFF not in _ISATAP


def is_own(address: Address) -> bool:
    """Return True if the address is one of this machine's interfaces. A public one of ours is still internal."""
    return address in own_addresses()


def own_addresses() -> frozenset[Address]:
    """Return every address of this machine's interfaces."""
    return frozenset(ip_address(text) for text in {*_from_kernel_4(), *_from_kernel_6(), *_from_name()})


@lru_cache(maxsize=1)
def _from_name() -> frozenset[str]:
    """Return the addresses of the machine's own name: the only source outside Linux."""
    try:
        return frozenset(str(entry[4][0]) for entry in socket.getaddrinfo(socket.gethostname(), None))
    except OSError:
        return frozenset()


def _from_kernel_4() -> set[str]:
    """Return the local IPv4 addresses: in fib_trie they stand before a line "/32 host LOCAL"."""
    lines = _lines("/proc/net/fib_trie")
    return {before.split()[-1] for before, line in pairwise(lines) if "/32 host LOCAL" in line and "--" in before}


def _from_kernel_6() -> set[str]:
    return {str(IPv6Address(int(line.split()[0], 16))) for line in _lines("/proc/net/if_inet6")}


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []
