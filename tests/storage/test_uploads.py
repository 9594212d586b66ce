"""Large uploads by a signed address: announced, sent, checked, then made a file. Attack cases 1, 31, 33."""

from __future__ import annotations

import hashlib
import urllib.request
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from accounts.errors import LimitReached, NotFound
from accounts.models import Team, User
from billing import entitlements
from billing.plans import GB
from storage import uploads
from storage.hooks import file_saving
from storage.models import StoredFile, Upload
from storage.services import open_file
from tests.calling import Api, api_of
from tests.factories import StoredFileFactory
from tests.timeouts import PATIENCE_S

FILES = "/api/v1/files/"
CONTENT = b"name;cost\nTea;3\n" * 1000
GIVEN = {"name": "costs.csv", "size": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


def begin(api: Api, **changes: Any) -> Any:
    answer = api.send("POST", f"{FILES}upload-url/", GIVEN | changes)
    assert answer.status_code == 201, answer.json()
    return answer.json()


def send(url: str, content: bytes = CONTENT, kind: str = "application/octet-stream") -> Any:
    """Send the content without a key, as an integrator does."""
    return Client().put(urlsplit(url).path, content, content_type=kind)


def complete(api: Api, begun: Any, **headers: str) -> Any:
    return api.send("POST", f"{FILES}{begun['id']}/complete/", {}, **headers)


@pytest.mark.parametrize("kind", ["application/octet-stream", "text/csv", "application/json", "multipart/form-data"])
def test_a_file_that_passes_through_us_is_kept_whole(
    api: Api, team: Team, alice: User, kind: str, django_capture_on_commit_callbacks: Any
) -> None:
    begun = begin(api)
    assert (begun["method"], send(begun["url"], kind=kind).status_code) == ("PUT", 204)
    with django_capture_on_commit_callbacks(execute=True):
        answer = complete(api, begun)

    stored = StoredFile.objects.get()
    assert answer.status_code == 201
    assert answer.json() == api.get(f"{FILES}{begun['id']}/").json()
    assert (str(stored.pk), stored.team, stored.created_by, stored.content_type) == (
        begun["id"],
        team,
        alice,
        "text/csv",
    )
    with open_file(stored) as file:
        assert file.read() == CONTENT
    assert not Upload.objects.exists()


def test_the_store_takes_a_file_by_its_own_address(api: Api, settings: Any) -> None:
    settings.DOWNLOADS = "store"
    begun = begin(api)

    request = urllib.request.Request(begun["url"], CONTENT, method="PUT")  # noqa: S310 - our own store
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
        assert answer.status == 200

    assert begun["url"].startswith(settings.S3_ENDPOINT_URL)
    assert complete(api, begun).status_code == 201
    with open_file(StoredFile.objects.get()) as file:
        assert file.read() == CONTENT


def test_what_is_sent_after_completion_changes_no_file(api: Api, settings: Any) -> None:
    settings.DOWNLOADS = "store"
    begun = begin(api)
    for content in (CONTENT, CONTENT[::-1]):
        request = urllib.request.Request(begun["url"], content, method="PUT")  # noqa: S310 - our own store
        urllib.request.urlopen(request, timeout=PATIENCE_S).close()  # noqa: S310
        if content is CONTENT:
            assert complete(api, begun).status_code == 201

    with open_file(StoredFile.objects.get()) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(("content", "field"), [(CONTENT[:-1], "size"), (CONTENT[::-1], "sha256"), (b"", "size")])
def test_what_was_not_announced_becomes_no_file_and_can_be_sent_again(api: Api, content: bytes, field: str) -> None:
    begun = begin(api)
    assert send(begun["url"], content).status_code == 204

    refused = complete(api, begun)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert not StoredFile.objects.exists()
    assert send(begun["url"]).status_code == 204
    assert complete(api, begun).status_code == 201


def test_more_than_was_announced_is_cut(api: Api) -> None:
    begun = begin(api)

    assert send(begun["url"], CONTENT + b"x").status_code == 422
    assert complete(api, begun).status_code == 409


def test_nothing_that_arrived_is_no_file(api: Api) -> None:
    answer = complete(api, begin(api))

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "Nothing has arrived" in answer.json()["detail"]


def test_an_empty_file_is_a_file(api: Api) -> None:
    begun = begin(api, size=0, sha256=hashlib.sha256(b"").hexdigest())

    send(begun["url"], b"")

    assert complete(api, begun).json()["size"] == 0


def test_whoever_counts_files_may_refuse_this_one_too(api: Api) -> None:
    begun = begin(api)
    send(begun["url"])

    def full(size: int, **_: Any) -> None:
        raise LimitReached(f"{size} bytes too many.")

    file_saving.register(full)
    try:
        refused = complete(api, begun)
    finally:
        file_saving.unregister(full)

    assert (refused.status_code, refused.json()["code"]) == (402, "plan_limit_reached")
    assert not StoredFile.objects.exists()
    assert complete(api, begun).status_code == 201


def test_who_completes_what_another_has_just_completed_is_told_that_it_is_gone(api: Api, alice: User) -> None:
    begun = begin(api)
    send(begun["url"])
    found = Upload.objects.get()
    complete(api, begun)

    with pytest.raises(NotFound):
        uploads.complete_upload(upload=found, actor=alice)

    assert StoredFile.objects.count() == 1


def test_completing_twice_is_one_file(api: Api) -> None:
    begun = begin(api)
    send(begun["url"])

    first, again = (complete(api, begun, Idempotency_Key="c1") for _ in range(2))

    assert again.json() == first.json()
    assert complete(api, begun).status_code == 404
    assert StoredFile.objects.count() == 1


@pytest.mark.parametrize("token", ["x", "x:y:z", "%00", "..%2f", signing.dumps("no id", salt=uploads.SALT)])
def test_an_address_that_we_did_not_sign_takes_nothing(db: None, token: str) -> None:
    assert Client().put(f"{FILES}received/{token}/", b"x", content_type="text/plain").status_code == 404


@pytest.mark.parametrize("hours", [-2, 0, 2])
def test_an_old_address_takes_nothing_and_what_was_abandoned_goes(
    api: Api, team: Team, django_capture_on_commit_callbacks: Any, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, fresh = begin(api), begin(api)
    send(begun["url"])
    Upload.objects.filter(pk=begun["id"]).update(expires_at=timezone.now() - timedelta(minutes=1))
    key = Upload.objects.get(pk=begun["id"]).key

    assert send(begun["url"]).status_code == 404
    assert default_storage.exists(key)
    wrong = timezone.now() + timedelta(hours=hours)
    monkeypatch.setattr("django.utils.timezone.now", lambda: wrong)  # the clock of a worker that sweeps
    assert uploads.delete_abandoned() == 1

    assert not default_storage.exists(key)
    assert [str(pk) for pk in Upload.objects.values_list("pk", flat=True)] == [fresh["id"]]


@pytest.mark.attack(1)
def test_another_team_and_a_reader_complete_nothing(
    api: Api, team: Team, other_team: Team, bob: User, charlie: User
) -> None:
    begun = begin(api)
    send(begun["url"])

    assert complete(api_of(charlie, other_team), begun).status_code == 404
    assert complete(api_of(bob, team, "runs:read"), begun).status_code == 403
    assert not StoredFile.objects.exists()


@pytest.mark.parametrize(
    "wrong", [{"size": -1}, {"size": 5 * 1024**3 + 1}, {"size": 10**9}, {"sha256": "xyz"}, {"key": "a/b"}, {"name": ""}]
)
def test_an_announcement_that_does_not_fit_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    answer = api.send("POST", f"{FILES}upload-url/", GIVEN | wrong)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, next(iter(wrong)))
    assert not Upload.objects.exists()


def test_the_key_is_ours_whatever_the_name(api: Api) -> None:
    begun = begin(api, name="../../etc/pass\u202ewd")

    assert begun["name"] == "passwd"
    assert ".." not in Upload.objects.get().key


def test_what_the_plan_has_no_room_for_is_refused_when_it_is_announced_and_when_it_has_arrived(
    api: Api, team: Team
) -> None:
    entitlements.assign_plan(team=team, actor=None, plan="free")
    begun = begin(api)
    send(begun["url"])
    StoredFileFactory(team=team, size=GB)

    late = complete(api, begun)
    early = api.send("POST", f"{FILES}upload-url/", GIVEN)

    assert [(answer.status_code, answer.json()["entitlement"]) for answer in (late, early)] == [
        (402, "storage_bytes")
    ] * 2
    assert StoredFile.objects.filter(name="costs.csv").exists() is False
