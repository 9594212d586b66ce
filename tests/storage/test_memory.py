"""Memory of uploads: the web process passes them on in pieces and does not grow with their size."""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from accounts.models import Team, User
from accounts.services.keys import create_key
from storage.models import StoredFile
from tests.bench.processes import peak_mb
from tests.web import Served, serve

LARGE_MB, GROWTH_MB = 90, 60
"""Size of the upload, and the growth that the process may have. It holds pieces of 8 MB each way, and loads modules."""

MIB = 1024 * 1024
BOUNDARY = secrets.token_hex(16)
"""Long enough not to occur in random content: "--b" does in every sixteenth MiB."""


@pytest.fixture
def web(tmp_path: Path, transactional_db: None) -> Iterator[Served]:
    with serve(tmp_path, {"DJANGO_SETTINGS_MODULE": "tests.settings"}) as served:
        yield served


def pieces() -> Iterator[bytes]:
    yield f"--{BOUNDARY}\r\n".encode() + b'Content-Disposition: form-data; name="file"; filename="large.bin"\r\n\r\n'
    piece = secrets.token_bytes(MIB)
    yield from (piece for _ in range(LARGE_MB))
    yield f"\r\n--{BOUNDARY}--\r\n".encode()


def test_a_large_upload_does_not_fill_the_memory(web: Served, team: Team, alice: User) -> None:
    _, token = create_key(team=team, actor=alice, name="Uploads", scopes=["runs:read", "runs:write"])
    headers = {"Authorization": f"Bearer {token}", "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    before = peak_mb(web.pid)

    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
    connection.request("POST", "/api/v1/files/", pieces(), headers, encode_chunked=True)
    answer = connection.getresponse()

    assert (answer.status, json.loads(answer.read())["size"]) == (201, LARGE_MB * MIB)
    assert StoredFile.objects.get().size == LARGE_MB * MIB
    assert peak_mb(web.pid) - before < GROWTH_MB
