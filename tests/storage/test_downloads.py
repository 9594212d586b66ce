"""Downloads through the web server: a browser on another machine cannot reach a store on loopback."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import reverse

from accounts.models import Team, User
from config.server.wsgi_bridge import PIECE
from storage import downloads, services
from storage.models import StoredFile
from tasks.models import Run, RunInput
from tests.calling import api_of
from tests.factories import ArtifactFactory, RunFactory
from tests.standins.objects import damaging_store

LARGE = bytes(range(256)) * 4096 * 3


@pytest.fixture
def run(team: Team) -> Run:
    return RunFactory(team=team)


def input_of(run: Run, content: bytes, name: str = "costs.csv") -> str:
    stored = services.save_file(team_id=run.team_id, content=content, name=name)
    given = RunInput.objects.create(run=run, file=stored, name="costs.csv")
    return reverse("tasks:run_input", kwargs={"team": run.team.slug, "run_id": run.pk, "input_id": given.pk})


@pytest.mark.parametrize(
    ("way", "endpoint", "by_app"),
    [
        ("auto", "http://127.0.0.1:9000", True),
        ("auto", "http://127.8.8.8:9000", True),
        ("auto", "http://[::1]:9000", True),
        ("auto", "http://localhost:9000", True),
        ("auto", "http://s3.localhost", True),
        ("auto", "", False),
        ("auto", "https://127.0.0.1.example.com", False),
        ("auto", "https://account.r2.cloudflarestorage.com", False),
        ("auto", "http://10.0.0.7:9000", False),
        ("app", "http://10.0.0.7:9000", True),
        ("store", "http://127.0.0.1:9000", False),
    ],
)
def test_who_answers_a_download(settings: Any, way: str, endpoint: str, by_app: bool) -> None:
    settings.DOWNLOADS, settings.S3_ENDPOINT_URL = way, endpoint

    assert downloads.by_app() is by_app


def test_a_download_comes_in_pieces_whole_and_locked_up(as_alice: Client, run: Run) -> None:
    address = input_of(run, LARGE, 'a"\r\nb; Größe.bin')

    answer: Any = as_alice.get(address)
    sent = list(answer.streaming_content)

    assert answer.status_code == 200
    assert b"".join(sent) == LARGE
    assert max(len(piece) for piece in sent) <= PIECE
    assert answer["Content-Length"] == str(len(LARGE))
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == (
        "attachment; filename=\"ab Groe.bin\"; filename*=UTF-8''a%22b%3B%20Gr%C3%B6%C3%9Fe.bin"
    )
    assert answer["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Cache-Control"] == "no-store"


def test_a_page_is_never_downloaded_as_one(as_alice: Client, run: Run) -> None:
    answer = as_alice.get(input_of(run, b"<script>alert(1)</script>", "page.html"))

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment;")


def test_only_the_head_is_answered_without_the_store(as_alice: Client, run: Run) -> None:
    address = input_of(run, b"12345")

    with damaging_store() as store:
        store.status = 500
        answer = as_alice.head(address)

    assert (answer.status_code, answer["Content-Length"], answer.content) == (200, "5", b"")


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-3", 0, 3),
        ("bytes=5-", 5, 9),
        ("bytes=-2", 8, 9),
        ("bytes=4-900", 4, 9),
        ("bytes=-900", 0, 9),
        ("bytes=9-9", 9, 9),
    ],
)
def test_a_part_is_sent_where_one_is_asked_for(as_alice: Client, run: Run, asked: str, first: int, last: int) -> None:
    answer: Any = as_alice.get(input_of(run, b"0123456789"), headers={"Range": asked})

    assert answer.status_code == 206
    assert b"".join(answer.streaming_content) == b"0123456789"[first : last + 1]
    assert answer["Content-Range"] == f"bytes {first}-{last}/10"
    assert answer["Content-Length"] == str(last - first + 1)
    assert answer["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize("asked", ["", "bytes=", "bytes=-", "bytes=3-1", "bytes=0-1,4-5", "items=0-1", "bytes=a-b"])
def test_what_is_no_single_range_gets_the_whole_file(as_alice: Client, run: Run, asked: str) -> None:
    answer: Any = as_alice.get(input_of(run, b"0123456789"), headers={"Range": asked})

    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, b"0123456789")
    assert answer["Accept-Ranges"] == "bytes"


def test_a_part_of_another_state_is_not_mixed_with_this_one(as_alice: Client, run: Run) -> None:
    address = input_of(run, b"0123456789")
    etag = as_alice.head(address)["ETag"]

    same = as_alice.get(address, headers={"Range": "bytes=5-", "If-Range": etag})
    other = as_alice.get(address, headers={"Range": "bytes=5-", "If-Range": '"of-before"'})

    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=900-901", "bytes=-0"])
def test_a_part_that_is_not_there_is_refused(as_alice: Client, alice: User, team: Team, run: Run, asked: str) -> None:
    answer = as_alice.get(input_of(run, b"0123456789"), headers={"Range": asked})
    stored = services.save_file(team_id=team.pk, content=b"0123456789", name="costs.csv")
    artifact = ArtifactFactory(run=run, file=stored)
    problem = api_of(alice, team).send("GET", f"/api/v1/artifacts/{artifact.pk}/download/", Range=asked)

    assert answer.status_code == 416
    assert (problem.status_code, problem.json()["code"]) == (416, "range_not_satisfiable")


def test_an_outsider_gets_nothing(client: Client, charlie: User, other_team: Team, run: Run) -> None:
    artifact = ArtifactFactory(run=run)
    client.force_login(charlie)

    assert client.get(input_of(run, b"x")).status_code == 404
    assert api_of(charlie, other_team).get(f"/api/v1/artifacts/{artifact.pk}/download/").status_code == 404


def test_a_lost_object_is_not_found(as_alice: Client, run: Run) -> None:
    address = input_of(run, b"x")
    default_storage.delete(StoredFile.objects.get().key)

    assert as_alice.get(address).status_code == 404


def test_a_store_that_is_away_says_so_on_pages_and_over_the_api(
    as_alice: Client, alice: User, team: Team, run: Run, settings: Any
) -> None:
    address, artifact = input_of(run, b"x"), ArtifactFactory(run=run)
    nowhere = {**settings.STORAGES["default"]["OPTIONS"], "endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = {**settings.STORAGES, "default": {**settings.STORAGES["default"], "OPTIONS": nowhere}}

    page = as_alice.get(address)
    problem = api_of(alice, team).get(f"/api/v1/artifacts/{artifact.pk}/download/")

    assert (page.status_code, page["Retry-After"]) == (503, "5")
    assert "The file store does not answer" in page.text
    assert (problem.status_code, problem.json()["code"]) == (503, "unavailable")
