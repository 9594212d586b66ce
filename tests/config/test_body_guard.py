"""Body guard in front of a real uvicorn: large or slow bodies are cut and never stored."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.embedded.ports import answers, free_port
from config.embedded.processes import wait_until
from tests.timeouts import PATIENCE_S

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
# Like Django: read the whole body, then answer with its size.
APPLICATION = """
from config.server.body_guard import BodyGuard

async def whole(scope, receive, send):
    size, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        size, more = size + len(event["body"]), event["more_body"]
    status = 404 if "nowhere" in scope["path"] else 200
    body = str(size).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})

application = BodyGuard(whole, upload_limit=8 * 1024 * 1024, upload_paths=["/api/v1/files/"], stall_s=1.0)
"""


@dataclass
class Server:
    port: int
    pid: int

    @property
    def peak_mib(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("guard")
    (folder / "guarded.py").write_text(APPLICATION)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "guarded:application", "--port", str(port), "--lifespan", "off"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "tests.settings"},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert wait_until(lambda: answers(port), PATIENCE_S)
    yield Server(port, process.pid)
    process.terminate()
    process.wait(PATIENCE_S)


def head(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return status and body, read to the end of the connection."""
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionResetError:
        pass
    return int(received.split()[1]) if received else 0, received.partition(b"\r\n\r\n")[2]


def flood(connection: socket.socket, size: int, *, chunked: bool) -> int:
    """Send until the server closes; return the bytes that it took."""
    block = b"x" * 65536
    framed = b"10000\r\n" + block + b"\r\n" if chunked else block
    sent = 0
    try:
        while sent < size:
            connection.sendall(framed)
            sent += len(block)
    except OSError:
        pass
    return sent


@pytest.mark.promise("G23")
@pytest.mark.attack(54)
@pytest.mark.parametrize("path", ["/", "/api/v1/runs/", "/nowhere/at/all/"])
@pytest.mark.parametrize("chunked", [True, False])
def test_a_huge_body_is_cut_after_a_few_megabytes_on_any_path(server, path, chunked):
    before = server.peak_mib
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {300 * MIB}"

    with server.connect() as connection:
        connection.sendall(head(path, length))
        sent = flood(connection, 300 * MIB, chunked=chunked)

    assert sent < 20 * MIB  # what the guard read, and what the kernels' buffers hold
    assert server.peak_mib - before < 16


def test_the_refusal_reaches_a_client_that_sends_first_and_reads_later(server):
    with server.connect() as connection:
        connection.sendall(head("/", f"Content-Length: {3 * MIB}", "X-Request-Id: trace-12345678"))
        connection.sendall(b"x" * 3 * MIB)
        status, body = answer(connection)

    problem = json.loads(body)
    assert status == 413
    assert (problem["code"], problem["status"], problem["request_id"]) == ("too_large", 413, "trace-12345678")


@pytest.mark.parametrize(
    ("path", "headers", "begins"),
    [
        ("/t/acme/", ("Accept: text/html",), "<!doctype html>"),
        ("/t/acme/", ("Accept: text/html", "HX-Request: true"), '<div class="banner banner-bad" role="alert">'),
        ("/t/acme/", ("Accept: */*",), '{"type": "/docs/errors/#too_large"'),
        ("/api/v1/runs/", ("Accept: text/html", "HX-Request: true"), '{"type": "/docs/errors/#too_large"'),
    ],
)
def test_a_refusal_has_the_form_that_the_caller_reads(server, path, headers, begins):
    with server.connect() as connection:
        connection.sendall(head(path, f"Content-Length: {3 * MIB}", "X-Request-Id: trace-12345678", *headers))
        status, body = answer(connection)

    assert status == 413
    assert body.decode().startswith(begins)
    assert "At most 2 MB fit here" in body.decode()
    assert "trace-12345678" in body.decode()


def test_a_body_within_the_limit_passes_untouched(server):
    for path, size, expected in (("/", 2 * MIB, 200), ("/nowhere/", 1000, 404), ("/api/v1/files/", 8 * MIB, 200)):
        with server.connect() as connection:
            connection.sendall(head(path, f"Content-Length: {size}", "Connection: close") + b"x" * size)

            assert answer(connection) == (expected, str(size).encode())


def test_an_upload_has_its_own_limit(server):
    with server.connect() as connection:
        connection.sendall(head("/api/v1/files/", f"Content-Length: {20 * MIB}"))

        assert answer(connection)[0] == 413


@pytest.mark.attack(54)
@pytest.mark.parametrize("first", [b"", b"x" * 10])
def test_a_body_that_stalls_ends_with_408(server, first):
    started = time.monotonic()

    with server.connect() as connection:
        connection.sendall(head("/", "Content-Length: 1000") + first)
        status, body = answer(connection)

    assert status == 408
    assert json.loads(body)["code"] == "request_timeout"
    assert time.monotonic() - started < PATIENCE_S


def test_a_body_that_drips_does_not_last_for_ever(server):
    started = time.monotonic()

    with server.connect() as connection:
        connection.sendall(head("/", "Content-Length: 1000"))
        connection.settimeout(0.3)
        received = b""
        while not received and time.monotonic() - started < PATIENCE_S:
            try:
                connection.sendall(b"x")
                received = connection.recv(65536)
            except TimeoutError:
                continue

    assert received.split()[1] == b"408"
