from __future__ import annotations

import random
import socket

# Below the range from which Linux picks the local port of an outgoing connection: a port that is free now
# is not taken by somebody's client a moment later.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """A loopback port nobody listens on."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        if is_free(port):
            return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True
