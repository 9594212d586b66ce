"""Failures of the network before the real object store: busy, full, cut off, or silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.errors import Unavailable
from accounts.models import IdempotencyRecord, Team, User
from storage import services
from storage.models import StoredFile
from tests.calling import api_of
from tests.standins.between import FAULTS, Between, between_us_and_the_store, store_at
from tests.standins.blackhole import blackhole

CONTENT = b"name;cost\n" * 2000
LARGE = bytes(range(256)) * 4096 * 20
"""Content of 20 MB, sent in three parts."""


@pytest.fixture
def store() -> Iterator[Between]:
    with between_us_and_the_store() as between:
        yield between


def objects(team: Team) -> list[str]:
    folders, files = default_storage.listdir(str(team.pk))
    return [*folders, *files]


@pytest.mark.promise("G17")
@pytest.mark.parametrize("content", [CONTENT, LARGE], ids=["small", "large"])
@pytest.mark.parametrize("how", FAULTS)
def test_a_file_that_cannot_be_kept_has_no_row_and_can_be_sent_again(
    team: Team, store: Between, how: str, content: bytes
) -> None:
    store.fail(how)

    with pytest.raises(Unavailable, match="is full" if how == "full" else "does not answer") as refused:
        services.save_file(team_id=team.pk, content=content, name="a.csv")

    assert refused.value.retry_after_s == 5
    assert store.hit[how]
    assert not StoredFile.objects.exists()
    store.fail("")
    assert objects(team) == []
    kept = services.save_file(team_id=team.pk, content=content, name="a.csv")
    assert kept.sha256 == sha256(content).hexdigest()
    assert objects(team) == [kept.key.partition("/")[2]]


@pytest.mark.promise("G17")
def test_a_store_whose_packets_are_dropped_is_away(team: Team) -> None:
    with blackhole() as port, store_at(f"http://127.0.0.1:{port}"), pytest.raises(Unavailable, match="does not answer"):
        services.save_file(team_id=team.pk, content=CONTENT, name="a.csv")

    assert not StoredFile.objects.exists()
    assert services.save_file(team_id=team.pk, content=CONTENT, name="a.csv").size == len(CONTENT)


@pytest.mark.promise("G17")
def test_a_store_that_goes_in_the_middle_of_a_large_file_leaves_nothing(team: Team, store: Between) -> None:
    store.fail("reset", spare=2)  # its beginning and the first part pass

    with pytest.raises(Unavailable):
        services.save_file(team_id=team.pk, content=LARGE, name="a")

    assert (store.hit["passed"], store.hit["reset"] > 1) == (2, True)
    assert not StoredFile.objects.exists()
    store.fail("")
    assert objects(team) == []


@pytest.mark.promise("G17")
@pytest.mark.parametrize("how", [how for how in FAULTS if how != "full"])
def test_a_file_that_cannot_be_fetched_is_said_to_be_unavailable(
    team: Team, store: Between, how: str, tmp_path: Any
) -> None:
    kept = services.save_file(team_id=team.pk, content=CONTENT, name="a")
    store.fail(how)

    with pytest.raises(Unavailable, match="does not answer"):
        services.copy_to(kept, tmp_path / "copy")
    with pytest.raises(Unavailable, match="does not answer"):
        b"".join(services.pieces(kept))

    assert list(tmp_path.iterdir()) == []
    store.fail("")
    services.copy_to(kept, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_store_that_refuses_a_wrong_clock_is_said(team: Team, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = timedelta(hours=hours)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) + wrong)
    monkeypatch.setattr("storage.services.time.time", lambda: (datetime.now(UTC) + wrong).timestamp())

    with pytest.raises(Unavailable, match="whose clock is wrong"):
        services.save_file(team_id=team.pk, content=CONTENT, name="a")

    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    "date", ["soon", "", "Mon, 99 Foo 2026", "Mon, 1 Jan 99999999999999999999 00:00:00 GMT", "\xff"]
)
def test_a_refusal_with_a_date_that_is_none_is_an_answer_of_the_store(
    team: Team, store: Between, date: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: datetime.now(UTC) - timedelta(hours=1))
    store.said = {"date": date}

    with pytest.raises(Unavailable, match="does not answer"):
        services.save_file(team_id=team.pk, content=CONTENT, name="a")

    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    ("header", "value"),
    [("last-modified", "soon"), ("x-amz-missing-meta", "many")],
)
def test_an_answer_of_the_store_that_cannot_be_read_is_said_to_be_one(
    team: Team, alice: User, store: Between, header: str, value: str
) -> None:
    kept = services.save_file(team_id=team.pk, content=CONTENT, name="a")
    store.said = {header: value}

    with pytest.raises(Unavailable, match="cannot be read"):
        b"".join(services.pieces(kept))
    refused = api_of(alice, team).post("/api/v1/files/", {"file": SimpleUploadedFile("a.csv", CONTENT)})

    assert (refused.status_code, refused["Retry-After"]) == (503, "5")
    assert "cannot be read" in refused.json()["detail"]
    assert list(StoredFile.objects.all()) == [kept]


def test_an_upload_is_told_to_come_again_and_then_kept_once(team: Team, alice: User, store: Between) -> None:
    def upload() -> Any:
        headers = {"Idempotency-Key": "once"}
        return api.post("/api/v1/files/", {"file": SimpleUploadedFile("a.csv", CONTENT)}, headers=headers)

    api = api_of(alice, team)
    for how, advice in (("busy", "does not answer"), ("full", "is full"), ("silent", "does not answer")):
        store.fail(how)

        refused = upload()

        assert (refused.status_code, refused["Retry-After"]) == (503, "5")
        assert advice in refused.json()["detail"]
        assert StoredFile.objects.count() == IdempotencyRecord.objects.count() == 0

    store.fail("")
    assert [upload().status_code, upload().status_code] == [201, 201]
    assert len(objects(team)) == StoredFile.objects.count() == 1
