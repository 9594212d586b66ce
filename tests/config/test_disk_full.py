"""Web process with a full disk: a body that is spooled there is refused with a reason, and nothing stays."""

from __future__ import annotations

import http.client
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from accounts.models import Team, User
from accounts.services.keys import create_key
from storage.models import StoredFile
from tests.timeouts import PATIENCE_S
from tests.web import Served, serve

pytestmark = pytest.mark.django_db(transaction=True)
MIB = 1024 * 1024


@contextmanager
def no_file_above(size: int, pid: int) -> Iterator[None]:
    """Limit the size of that process's files, so that the kernel refuses writes as a full disk does."""
    _, most = before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def send(server: Served, path: str, token: str, **headers: str) -> http.client.HTTPResponse:
    head = 'Content-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: application/octet-stream'
    body = b"--b\r\n" + head.encode() + b"\r\n\r\n" + bytes(4 * MIB) + b"\r\n--b--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    given = {"Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b"} | headers
    connection.request("POST", path, body, given)
    return connection.getresponse()


def test_an_upload_without_room_is_refused_in_words_and_kept_when_there_is_room(
    tmp_path: Path, team: Team, alice: User
) -> None:
    _, token = create_key(team=team, actor=alice, name="Uploads", scopes=["runs:read", "runs:write"])
    with serve(tmp_path, {"DJANGO_SETTINGS_MODULE": "tests.settings"}) as server:
        with no_file_above(MIB, server.pid):
            refused = send(server, "/api/v1/files/", token)
            problem = json.loads(refused.read())
            page = send(server, "/api/v1/files/", token, Accept="text/html")
            small = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
            small.request("GET", "/health/live/")
            alive = small.getresponse().status
        stored = send(server, "/api/v1/files/", token)

        assert (refused.status, refused.headers["Retry-After"], problem["code"]) == (503, "60", "unavailable")
        assert "disk is full" in problem["detail"]
        assert (page.status, alive, stored.status) == (503, 200, 201)
    assert [file.size for file in StoredFile.objects.all()] == [4 * MIB]
