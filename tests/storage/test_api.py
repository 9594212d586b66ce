"""API of files. Attack cases 1, 31, 32, 33."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Team, User
from storage.models import StoredFile
from storage.services import open_file
from tasks.models import RunInput
from tests.calling import Api, api_of
from tests.factories import RunFactory

FILES = "/api/v1/files/"
CSV = b"name;cost\nTea;3\n"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


def upload(api: Api, content: bytes = CSV, name: str = "costs.csv", kind: str = "text/csv", **headers: str) -> Any:
    names = {key.replace("_", "-"): value for key, value in headers.items()}
    return api.post(FILES, {"file": SimpleUploadedFile(name, content, kind)}, headers=names)


def test_a_file_is_kept_whole(api: Api, team: Team, alice: User) -> None:
    answer = upload(api)

    stored = StoredFile.objects.get()
    assert answer.status_code == 201
    assert answer.json() == {
        "id": str(stored.pk),
        "name": "costs.csv",
        "size": len(CSV),
        "sha256": hashlib.sha256(CSV).hexdigest(),
        "content_type": "text/csv",
        "created_at": answer.json()["created_at"],
    }
    assert (stored.team, stored.created_by) == (team, alice)
    with open_file(stored) as file:
        assert file.read() == CSV
    assert api.get(f"{FILES}{stored.pk}/").json() == answer.json()


def test_the_same_upload_twice_is_one_file(api: Api) -> None:
    first, again = upload(api, Idempotency_Key="k1"), upload(api, Idempotency_Key="k1")
    other = upload(api, b"name;cost\nTea;4\n", Idempotency_Key="k1")

    assert again.json() == first.json()
    assert again["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert StoredFile.objects.count() == 1


def test_a_file_that_is_too_large_is_refused(api: Api, settings: Any) -> None:
    settings.UPLOAD_MAX_BYTES = 10

    answer = upload(api)

    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert StoredFile.objects.count() == 0


def test_an_upload_that_is_none_is_refused(api: Api) -> None:
    as_json = api.send("POST", FILES, {"file": {"path": "/etc/passwd"}})
    as_text = api.post(FILES, {"file": "/etc/passwd"})
    nothing = api.post(FILES, {})
    more = api.post(FILES, {"file": SimpleUploadedFile("a.csv", CSV), "team_id": "x"})
    broken = api.generic("POST", FILES, b"--x\r\nnope", "multipart/form-data; boundary=x")

    assert [answer.status_code for answer in (as_json, as_text, nothing, more)] == [415, 422, 422, 422]
    assert broken.status_code in {400, 422}
    assert StoredFile.objects.count() == 0


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "%2e%2e%2fx", "C:\\x\\y", "a" * 300 + ".csv", "x\x00y.csv", "\u202egnp.exe", 'x";y=z']
)
def test_a_hostile_name_names_no_place(api: Api, team: Team, name: str) -> None:
    part = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\na;b\r\n--x--\r\n'

    answer = api.generic("POST", FILES, part.encode(), "multipart/form-data; boundary=x")

    stored = StoredFile.objects.get()
    assert answer.status_code == 201
    assert stored.key.startswith(f"{team.pk}/")
    assert ".." not in stored.key
    assert "/" not in stored.name
    assert "\x00" not in stored.name
    assert len(stored.name.encode()) <= 255


def test_a_page_that_calls_itself_a_picture_is_not_believed(api: Api) -> None:
    answer = upload(api, b"<html><script>alert(1)</script></html>", "cat.png", "image/png")

    assert answer.json()["content_type"] != "image/png"


def test_a_file_goes_when_nothing_uses_it(api: Api, team: Team) -> None:
    free, used = upload(api).json()["id"], upload(api).json()["id"]
    RunInput.objects.create(run=RunFactory(team=team), file_id=used, name="costs.csv")

    assert api.delete(f"{FILES}{free}/").status_code == 204
    refused = api.delete(f"{FILES}{used}/")

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert [str(stored.pk) for stored in StoredFile.objects.all()] == [used]


def test_an_outsider_meets_nothing(api: Api, other_team: Team, charlie: User) -> None:
    path = f"{FILES}{upload(api).json()['id']}/"
    theirs = api_of(charlie, other_team)

    assert (theirs.get(path).status_code, theirs.delete(path).status_code) == (404, 404)
    assert StoredFile.objects.count() == 1


def test_a_reading_key_uploads_nothing(team: Team, alice: User) -> None:
    assert upload(api_of(alice, team, "runs:read")).status_code == 403
    assert StoredFile.objects.count() == 0


def multipart(*parts: tuple[str, str, bytes]) -> tuple[bytes, str]:
    """Return a multipart body byte for byte as a browser writes it, from (field name, raw `filename`
    value, content).
    """
    body = b"".join(
        f'--X\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for field, name, content in parts
    )
    return body + b"--X--\r\n", "multipart/form-data; boundary=X"


def behind(door: str, team: Team, alice: User) -> Client:
    """Return the uploading client: a script with a key, or a browser whose form is parsed for its CSRF token."""
    if door == "key":
        return api_of(alice, team)
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    client.get("/t/acme/settings/profile/")
    client.defaults["HTTP_X_CSRFTOKEN"] = client.cookies["csrftoken"].value
    return client


NAMES = [
    ("he said %22hi%22.csv", 'he said "hi".csv'),
    ('he said \\"hi\\".csv', 'he said "hi".csv'),  # curl
    ("two%0D%0Alines.csv", "twolines.csv"),
    ("100%25.csv", "100%25.csv"),
    ("R&D&copy.csv", "R&D&copy.csv"),
    ("👩‍👩‍👧.csv", "👩‍👩‍👧.csv"),
    ("می‌خواهم.csv", "می‌خواهم.csv"),
    ("inv\u202excod.exe", "invxcod.exe"),
    ("C:\\\\fakepath\\\\a.csv", "a.csv"),
]


@pytest.mark.parametrize(("sent", "kept"), NAMES)
@pytest.mark.parametrize("door", ["key", "session", "page"])
def test_a_file_keeps_its_name(team: Team, alice: User, door: str, sent: str, kept: str) -> None:
    client = behind(door, team, alice)
    body, kind = multipart(("file", sent, CSV))

    answer = client.post("/t/acme/files/" if door == "page" else FILES, body, content_type=kind)

    assert (answer.status_code, answer.json()["name"]) == (201, kept)
    assert StoredFile.objects.get().name == kept


@pytest.mark.parametrize("door", ["key", "session", "page"])
def test_two_files_in_one_request_are_refused_and_none_is_kept(team: Team, alice: User, door: str) -> None:
    client = behind(door, team, alice)
    body, kind = multipart(("file", "one.csv", CSV), ("file", "two.csv", CSV + CSV))

    answer = client.post("/t/acme/files/" if door == "page" else FILES, body, content_type=kind)

    assert answer.status_code == 422
    if door != "page":
        (wrong,) = answer.json()["errors"]
        assert (wrong["field"], wrong["code"]) == ("file", "repeated")
    assert StoredFile.objects.count() == 0


def test_a_file_and_a_text_of_one_name_are_refused(api: Api) -> None:
    body, kind = multipart(("file", "one.csv", CSV))
    text = b'--X\r\nContent-Disposition: form-data; name="file"\r\n\r\n/etc/passwd\r\n'

    assert api.post(FILES, text + body, content_type=kind).status_code == 422
    assert StoredFile.objects.count() == 0
