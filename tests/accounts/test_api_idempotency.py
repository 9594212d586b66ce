"""Idempotency-Key: one effect, one response. Promise G10, for every POST that creates."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.utils import timezone

from accounts.models import ApiKey, AuditEntry, IdempotencyRecord, Membership, Role, Team, User
from tests.calling import api_of
from tests.factories import MembershipFactory
from tests.timeouts import PATIENCE_S

KEYS = "/api/v1/api-keys/"
BODY = {"name": "Made once", "scopes": ["runs:read"]}


def made() -> int:
    return ApiKey.objects.filter(name="Made once").count()


@pytest.mark.promise("G10")
def test_the_same_key_and_body_give_the_first_answer_again(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    first = api.send("POST", KEYS, BODY, Idempotency_Key="k1")
    again = api.send("POST", KEYS, {"scopes": ["runs:read"], "name": "Made once"}, Idempotency_Key="k1")

    assert (first.status_code, again.status_code) == (201, 201)
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert again.json() == first.json() | {"secret": None}
    assert list(again.json()) == list(first.json())
    assert made() == 1
    assert AuditEntry.objects.filter(action="api_key.created", subject_id=first.json()["id"]).count() == 1


def test_a_secret_is_never_kept_with_the_answer(team: Team, alice: User) -> None:
    secret = api_of(alice, team).send("POST", KEYS, BODY, Idempotency_Key="k1").json()["secret"]

    assert secret.startswith("dh_")
    assert secret.split("_", 2)[2] not in str(list(IdempotencyRecord.objects.values()))


@pytest.mark.promise("G10")
def test_the_same_key_with_another_body_or_path_is_refused(team: Team, alice: User) -> None:
    api = api_of(alice, team)
    api.send("POST", KEYS, BODY, Idempotency_Key="k1")

    other = api.send("POST", KEYS, BODY | {"name": "Other"}, Idempotency_Key="k1")

    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert ApiKey.objects.filter(name="Other").count() == 0


def test_without_a_key_each_call_counts(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    assert {api.send("POST", KEYS, BODY).status_code for _ in range(2)} == {201}

    assert made() == 2
    assert IdempotencyRecord.objects.count() == 0


def test_a_refused_request_leaves_no_record(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    wrong = api.send("POST", KEYS, BODY | {"scopes": ["fly"]}, Idempotency_Key="k1")
    right = api.send("POST", KEYS, BODY, Idempotency_Key="k1")

    assert (wrong.status_code, right.status_code) == (422, 201)
    assert made() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "caf\xe9", "a\tb"])
def test_a_key_that_does_not_fit_is_refused(team: Team, alice: User, key: str) -> None:
    answer = api_of(alice, team).send("POST", KEYS, BODY, Idempotency_Key=key)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Idempotency-Key")
    assert made() == 0


@pytest.mark.promise("G10", "G16")
def test_a_key_belongs_to_one_team(team: Team, other_team: Team, alice: User, charlie: User) -> None:
    Membership.objects.filter(user=charlie).update(role=Role.OWNER)

    mine = api_of(alice, team).send("POST", KEYS, BODY, Idempotency_Key="k1")
    theirs = api_of(charlie, other_team).send("POST", KEYS, BODY, Idempotency_Key="k1")

    assert mine.json()["id"] != theirs.json()["id"]
    assert "Idempotent-Replayed" not in theirs


def test_a_key_is_free_again_after_a_day(team: Team, alice: User) -> None:
    api = api_of(alice, team)
    first = api.send("POST", KEYS, BODY, Idempotency_Key="k1")
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=25))

    second = api.send("POST", KEYS, BODY | {"name": "Next day"}, Idempotency_Key="k1")

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


# ---- Races on real connections


@pytest.fixture
def owner(transactional_db: None) -> Iterator[User]:
    yield MembershipFactory(role=Role.OWNER).user
    connections.close_all()


def post(api: Any) -> Any:
    try:
        return api.send("POST", KEYS, BODY, Idempotency_Key="race")
    finally:
        connection.close()


@pytest.mark.promise("G10")
def test_twenty_at_once_have_one_effect(owner: User) -> None:
    api = api_of(owner, owner.teams.get())
    start = threading.Barrier(20)

    def racer(_: int) -> Any:
        start.wait()
        return post(api)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(racer, range(20)))

    assert made() == 1
    created = [answer for answer in answers if answer.status_code == 201 and "Idempotent-Replayed" not in answer]
    assert len(created) == 1
    for answer in answers:
        if answer.status_code == 201:
            assert answer.json()["id"] == created[0].json()["id"]
        else:
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
            assert answer["Retry-After"] == "1"


@pytest.mark.promise("G10")
def test_who_comes_while_the_first_is_at_work_is_told_at_once(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts.services import keys

    api = api_of(owner, owner.teams.get())
    inside, go_on = threading.Event(), threading.Event()
    really_create = keys.create_key

    def slow(**given: Any) -> Any:
        inside.set()
        assert go_on.wait(PATIENCE_S)
        return really_create(**given)

    monkeypatch.setattr(keys, "create_key", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(post, api)
        assert inside.wait(PATIENCE_S)
        meanwhile = api.send("POST", KEYS, BODY, Idempotency_Key="race")
        go_on.set()
        done = first.result(PATIENCE_S)
    after = api.send("POST", KEYS, BODY, Idempotency_Key="race")

    assert (meanwhile.status_code, meanwhile.json()["code"]) == (409, "idempotency_in_progress")
    assert done.status_code == 201
    assert after["Idempotent-Replayed"] == "true"
    assert made() == 1


@pytest.mark.promise("G10")
def test_a_crash_after_the_effect_undoes_the_effect_too(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail to write the record. The effect is rolled back with it, and the repeat makes it."""
    from accounts.rest import idempotency

    api = api_of(owner, owner.teams.get())

    def crash(*_: Any) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as broken:
        broken.setattr(idempotency, "_keep", crash)
        with pytest.raises(RuntimeError, match="killed here"):
            api.send("POST", KEYS, BODY, Idempotency_Key="race")
    assert made() == 0

    assert api.send("POST", KEYS, BODY, Idempotency_Key="race").status_code == 201
    assert made() == 1
