"""Storage services on the real embedded object store."""

from __future__ import annotations

import io
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage, storages
from django.utils import timezone

from accounts.errors import NotFound, Unavailable
from accounts.models import Team
from storage import services
from storage.models import StoredFile
from tests.standins.objects import damaging_store

CONTENT = "Größe;1\n".encode() * 1000


def objects(team: Team) -> list[str]:
    folders, files = default_storage.listdir(str(team.pk))
    return [*folders, *files]


@pytest.mark.parametrize("kind", ["bytes", "stream", "path"])
def test_a_file_is_kept_whole_under_a_generated_key(team: Team, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "source"
    path.write_bytes(CONTENT)
    content: Any = {"bytes": CONTENT, "stream": io.BytesIO(CONTENT), "path": path}[kind]

    stored = services.save_file(team_id=team.pk, content=content, name="../Größen.csv")

    stored.refresh_from_db()
    assert stored.key.startswith(f"{team.pk}/")
    assert "csv" not in stored.key
    assert (stored.name, stored.size, stored.content_type) == ("Größen.csv", len(CONTENT), "text/csv")
    assert stored.sha256 == sha256(CONTENT).hexdigest()
    with services.open_file(stored) as file:
        assert file.read() == CONTENT
    services.copy_to(stored, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == CONTENT


def test_a_large_file_and_an_empty_one(team: Team, tmp_path: Path) -> None:
    large = bytes(range(256)) * 4096 * 20

    for content in (large, b""):
        stored = services.save_file(team_id=team.pk, content=content, name="x")
        services.copy_to(stored, tmp_path / "copy")
        assert stored.size == len(content)
        assert (tmp_path / "copy").read_bytes() == content


def test_a_signed_url_downloads_and_never_shows(team: Team) -> None:
    page = services.save_file(team_id=team.pk, content=b"<script>alert(1)</script>", name='a"\r\nb; Größe.html')

    with urllib.request.urlopen(services.signed_url(page)) as answer:  # noqa: S310 - loopback
        body, headers = answer.read(), answer.headers

    assert body == b"<script>alert(1)</script>"
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"ab Groe.html\"; filename*=UTF-8''a%22b%3B%20Gr%C3%B6%C3%9Fe.html"
    )


def test_a_signed_url_is_of_one_file_only(team: Team) -> None:
    first = services.save_file(team_id=team.pk, content=b"1", name="a")
    second = services.save_file(team_id=team.pk, content=b"2", name="b")

    stolen = services.signed_url(first).replace(first.key, second.key)

    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(stolen)  # noqa: S310 - loopback
    assert refused.value.code == 403


@pytest.mark.promise("G17")
def test_a_damaged_object_is_not_copied(team: Team, tmp_path: Path) -> None:
    stored = services.save_file(team_id=team.pk, content=b"right", name="a")
    default_storage.delete(stored.key)
    default_storage.save(stored.key, io.BytesIO(b"wrong"))  # type: ignore[arg-type]

    with pytest.raises(Unavailable, match="damaged"):
        services.copy_to(stored, tmp_path / "copy")

    assert list(tmp_path.iterdir()) == []


def test_a_lost_object_is_not_found(team: Team, tmp_path: Path) -> None:
    stored = services.save_file(team_id=team.pk, content=b"x", name="a")
    default_storage.delete(stored.key)

    with pytest.raises(NotFound), services.open_file(stored):
        pass
    with pytest.raises(NotFound):
        services.copy_to(stored, tmp_path / "copy")


@pytest.mark.promise("G17")
def test_no_object_is_left_when_the_row_cannot_be_made(team: Team) -> None:
    with pytest.raises(ValidationError):
        services.save_file(team_id=team.pk, content=b"x", name="a", expires_at="never")  # type: ignore[arg-type]

    assert objects(team) == []


@pytest.mark.parametrize("step", ["_object", "_row"])
def test_of_several_files_all_are_kept_or_none(team: Team, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [services.NewFile(b"x", "a"), services.NewFile(b"yy", "b")]
    really, calls = getattr(services, step), []

    def once(*given: Any, **named: Any) -> Any:
        calls.append(given)
        if len(calls) > 1:
            raise Unavailable("Not now.")
        return really(*given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(services, step, once)
        with pytest.raises(Unavailable):
            services.save_files(files, team_id=team.pk)
    assert (objects(team), StoredFile.objects.count()) == ([], 0)

    kept = services.save_files(files, team_id=team.pk)
    assert [(one.name, one.size) for one in kept] == [("a", 1), ("b", 2)]
    assert len(objects(team)) == 2


def test_a_deleted_file_goes_with_the_commit(team: Team, django_capture_on_commit_callbacks: Any) -> None:
    stored = services.save_file(team_id=team.pk, content=b"x", name="a")

    with django_capture_on_commit_callbacks() as callbacks:
        services.delete_file(stored)

    assert not StoredFile.objects.filter(pk=stored.pk).exists()
    assert default_storage.exists(stored.key)
    callbacks[0]()
    assert not default_storage.exists(stored.key)


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_expired_files_are_removed_and_others_stay_by_the_clock_of_the_database(
    team: Team, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(hours=hours))
    old = services.save_file(team_id=team.pk, content=b"x", name="old", expires_at=now - timedelta(seconds=1))
    new = services.save_file(team_id=team.pk, content=b"x", name="new", expires_at=now + timedelta(hours=1))
    kept = services.save_file(team_id=team.pk, content=b"x", name="kept")

    assert services.delete_expired() == 1

    assert set(StoredFile.objects.values_list("pk", flat=True)) == {new.pk, kept.pk}
    assert old.pk not in {new.pk, kept.pk}


# ---- A failing store


@pytest.fixture
def bad_store() -> Iterator[Any]:
    with damaging_store() as store:
        yield store


@pytest.mark.promise("G17")
def test_an_object_that_was_not_kept_whole_gets_no_row(team: Team, bad_store: Any) -> None:
    assert storages["default"]

    with pytest.raises(Unavailable, match="did not keep the file whole"):
        services.save_file(team_id=team.pk, content=CONTENT, name="a")

    assert not StoredFile.objects.exists()
    assert bad_store.kept == {}


@pytest.mark.promise("G17")
def test_a_store_that_refuses_gets_no_row(team: Team, bad_store: Any) -> None:
    bad_store.status = 403

    with pytest.raises(Unavailable, match="does not answer"):
        services.save_file(team_id=team.pk, content=CONTENT, name="a")

    assert not StoredFile.objects.exists()


def test_keys_never_hold_what_people_wrote(team: Team) -> None:
    for name in ("../x", "a\x00b", "%2e%2e/y", "é" * 300, str(uuid4())):
        key = services.save_file(team_id=team.pk, content=b"x", name=name).key
        assert len(key) == 36 + 1 + 36
        assert name not in key
