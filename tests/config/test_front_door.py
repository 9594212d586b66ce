"""Attacks on the real web process: malformed requests are refused, floods are closed, and it survives."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from accounts.models import Team, User
from tasks import event_log, events
from tasks.models import Run
from tests.bench.processes import resident_mb
from tests.factories import AgentFactory, RunFactory
from tests.timeouts import PATIENCE_S
from tests.web import Served, serve

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Web process with pings every second, so that a silent client is noticed at once and not after forty seconds."""
    often = ("--ws-ping-interval", "1", "--ws-ping-timeout", "1")
    with serve(tmp_path_factory.mktemp("web"), {"DJANGO_SETTINGS_MODULE": "tests.settings"}, often) as served:
        yield served


@pytest.fixture
def run(team: Team) -> Run:
    made: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(made, events.Log(text="one"), events.Log(text="two"))
    return made


@pytest.fixture
def cookie(bob: User) -> str:
    browser = Client()
    browser.force_login(bob)
    return f"sessionid={browser.cookies['sessionid'].value}"


def watch(server: Served, run: Run, cookie: str, **options: Any) -> connect:
    address = f"ws://127.0.0.1:{server.port}/ws/runs/{run.pk}/?after=2"
    return connect(address, origin=server.url, additional_headers={"Cookie": cookie}, **options)  # type: ignore[arg-type]


async def next_frame(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE_S):
        got: dict[str, Any] = json.loads(await socket.recv())
        return got


def is_well(server: Served) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    connection.request("GET", "/health/live/")
    return connection.getresponse().status == 200


def raw(server: Served, request: bytes) -> int:
    """Send the bytes; return the status of the response."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as plain:
        plain.sendall(request)
        return int(plain.recv(65536).split()[1])


@pytest.mark.attack(14)
async def test_a_socket_from_elsewhere_gets_403(server: Served, run: Run, cookie: str) -> None:
    ours, host = server.url, f"127.0.0.1:{server.port}"
    elsewhere = [
        ("http://evil.test", host),
        ("null", host),
        (None, host),
        (f"{ours}.evil.test", host),
        ("http://127.0.0.1:1", host),
        (ours.replace("http", "https"), host),
        (f"http://127.0.0.1@evil.test:{server.port}", host),
        (ours, "evil.test"),
        ("http://evil.test", "evil.test"),
        (ours, "127.0.0.1:1"),
    ]
    statuses = []
    for origin, named in elsewhere:
        headers = {"Cookie": cookie}
        if origin is not None:
            headers["Origin"] = origin
        address = f"ws://{named}/ws/runs/{run.pk}/"
        with pytest.raises(InvalidStatus) as refused:
            await connect(address, host="127.0.0.1", port=server.port, additional_headers=headers)
        statuses.append(refused.value.response.status_code)

    assert statuses == [403] * len(elsewhere)
    async with watch(server, run, cookie) as accepted:
        assert (await next_frame(accepted))["kind"] == "caught_up"


@pytest.mark.attack(15)
@pytest.mark.parametrize("upgrade", ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"])
@pytest.mark.parametrize("wrong", [b"X-A: a\x0bb", b"X-A: a\x00b", b"X-A\x0b: b", b"Origin: http://a\x0b.test"])
def test_a_header_with_control_characters_is_no_request(server: Served, wrong: bytes, upgrade: str) -> None:
    start = f"GET /ws/feed/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{upgrade}".encode()

    assert raw(server, start + wrong + b"\r\n\r\n") == 400
    assert is_well(server)


@pytest.mark.attack(17)
async def test_a_socket_survives_everything_that_is_said_to_it(server: Served, run: Run, cookie: str) -> None:
    nonsense = ["null", "[]", "1", '"x"', '{"kind": 1}', '{"kind": "cancel"}', "", "{", "[" * 100_000, b"\xff\x00"]
    async with watch(server, run, cookie) as viewer:
        assert (await next_frame(viewer))["kind"] == "caught_up"
        for words in nonsense:
            await viewer.send(words)
            assert (await next_frame(viewer))["kind"] == "error"
        await viewer.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed):
            await next_frame(viewer)

    assert is_well(server)
    assert (await Run.objects.aget(pk=run.pk)).status == "queued"


@pytest.mark.attack(16)
async def test_a_message_above_a_mebibyte_closes_its_socket(server: Served, run: Run, cookie: str) -> None:
    before = resident_mb(server.pid)
    async with watch(server, run, cookie) as viewer:
        await next_frame(viewer)
        await viewer.send("x" * (MIB + 1))
        with pytest.raises(ConnectionClosed) as closed:
            await next_frame(viewer)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009
    assert resident_mb(server.pid) - before < 16
    assert is_well(server)


@pytest.mark.attack(16)
async def test_of_200_sockets_of_one_person_half_are_closed(server: Served, run: Run, cookie: str) -> None:
    before = resident_mb(server.pid)
    viewers = [await watch(server, run, cookie) for _ in range(200)]
    got = await asyncio.gather(*(next_frame(viewer) for viewer in viewers), return_exceptions=True)

    shown = [words for words in got if isinstance(words, dict) and words["kind"] == "caught_up"]
    closed = [words.rcvd.code for words in got if isinstance(words, ConnectionClosed) and words.rcvd]
    await asyncio.gather(*(viewer.close() for viewer in viewers))
    assert (len(shown), closed) == (100, [4429] * 100)
    assert resident_mb(server.pid) - before < 64
    assert is_well(server)


@pytest.mark.attack(16)
async def test_a_viewer_that_does_not_read_is_cut(server: Served, run: Run, cookie: str) -> None:
    """A viewer stops reading during 40 MB of events; the server buffers little and closes the connection."""
    before = resident_mb(server.pid)
    viewer = await watch(server, run, cookie)
    await next_frame(viewer)
    viewer.transport.pause_reading()
    port = viewer.local_address[1]
    assert _is_connected(server, port)

    for _ in range(40):
        lines = [events.Log(text="x" * 10_000) for _ in range(100)]
        await asyncio.to_thread(event_log.append, run, *lines)

    async with asyncio.timeout(PATIENCE_S):
        while _is_connected(server, port):
            await asyncio.sleep(0.2)
    assert resident_mb(server.pid) - before < 64
    assert is_well(server)
    viewer.transport.abort()


def _is_connected(server: Served, port: int) -> bool:
    """Return True if the process still holds the connection to that local port."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ends = [int(end.rpartition(":")[2], 16) for end in fields[1:3]]
        if ends == [server.port, port]:
            return f"socket:[{fields[9]}]" in _open_files(server.pid)
    return False


def _open_files(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(os.readlink(link))
    return found


@pytest.mark.attack(54)
@pytest.mark.parametrize(
    "path", ["/", "/t/acme/", "/api/v1/runs/", "/nowhere/at/all/", "/static/app.css", "/health/live/"]
)
def test_a_huge_body_is_cut_early_wherever_it_goes(server: Served, path: str) -> None:
    before, sent, block = resident_mb(server.pid), 0, b"10000\r\n" + b"x" * 65536 + b"\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as plain:
        plain.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            while sent < 300 * MIB:
                plain.sendall(block)
                sent += len(block)
        except OSError:
            pass

    assert sent < 20 * MIB
    assert resident_mb(server.pid) - before < 32
    assert is_well(server)
