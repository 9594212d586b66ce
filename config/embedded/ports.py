from __future__ import annotations

import random
import socket

# Below the range of Linux's ephemeral ports: no outgoing connection takes a free port in the meantime.
_PORTS = range(20_000, 32_000)


def free_port() -> int:
    """Return a loopback port on which nothing listens."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 - no secret
        if is_free(port):
            return port


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        try:
            take(probe, port, host)
        except OSError:
            return False
    return True


def take(holder: socket.socket, port: int, host: str = "127.0.0.1") -> None:
    """Bind the socket to the port without listening. Raises OSError when another one has the port."""
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, port))


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=0.2).close()
    except OSError:
        return False
    return True
