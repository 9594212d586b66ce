"""Conventions of lists, bodies and refusals, the same everywhere. Attack cases 1, 9, 10, 57."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from accounts.models import ApiKey, Team, User
from accounts.services import keys
from tests.calling import Api, api_of

KEYS = "/api/v1/api-keys/"


def more_keys(team: Team, alice: User, count: int) -> None:
    for n in range(count):
        keys.create_key(team=team, actor=alice, name=f"Key {n}", scopes=["runs:read"])


def pages(api: Api, path: str) -> list[list[str]]:
    """Return the names on each page, following `next`."""
    found = []
    url: str | None = path
    while url:
        page = api.get(url).json()
        found.append([row["name"] for row in page["results"]])
        url = page["next"]
    return found


def test_a_list_is_read_page_by_page_in_both_directions(team: Team, alice: User) -> None:
    more_keys(team, alice, 5)
    api = api_of(alice, team)

    assert pages(api, f"{KEYS}?limit=4") == [["Tests", "Key 4", "Key 3", "Key 2"], ["Key 1", "Key 0"]]
    assert pages(api, f"{KEYS}?limit=3&ordering=created_at") == [
        ["Key 0", "Key 1", "Key 2"],
        ["Key 3", "Key 4", "Tests"],
    ]

    first = api.get(f"{KEYS}?limit=2").json()
    second = api.get(first["next"]).json()
    third = api.get(second["next"]).json()
    back = api.get(third["previous"]).json()
    assert first["previous"] is None
    assert third["next"] is None
    assert [row["name"] for row in back["results"]] == [row["name"] for row in second["results"]]
    assert api.get(back["previous"]).json()["results"] == first["results"]


def test_a_new_row_does_not_shift_the_next_page(team: Team, alice: User) -> None:
    more_keys(team, alice, 3)
    api = api_of(alice, team)
    first = api.get(f"{KEYS}?limit=2").json()

    keys.create_key(team=team, actor=alice, name="Newest", scopes=["runs:read"])

    assert [row["name"] for row in api.get(first["next"]).json()["results"]] == ["Key 1", "Key 0"]


def test_an_empty_list_has_no_other_pages(team: Team, other_team: Team, alice: User) -> None:
    api = api_of(alice, team)
    ApiKey.objects.exclude(name="Tests").delete()

    assert api.get(f"{KEYS}?cursor={'bjowMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA'}").json() == {
        "results": [],
        "next": None,
        "previous": None,
    }


@pytest.mark.attack(11, 57)
@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("limit=%D9%A1", "limit"),
        ("cursor=zzz", "cursor"),
        ("cursor=%00", "cursor"),
        ("cursor=", "cursor"),
        ("ordering=secret_sha256", "ordering"),
        ("ordering=team__memberships__user__password", "ordering"),
        ("team__slug__startswith=a", "team__slug__startswith"),
        ("secret_sha256__regex=(a%2B)%2B%24", "secret_sha256__regex"),
        ("user_id=1", "user_id"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(team: Team, alice: User, query: str, field: str) -> None:
    answer = api_of(alice, team).get(f"{KEYS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.attack(1, 9)
@pytest.mark.promise("G16")
def test_a_list_shows_the_callers_team_only(team: Team, other_team: Team, alice: User, charlie: User) -> None:
    theirs, _ = keys.create_key(team=other_team, actor=charlie, name="Theirs", scopes=["runs:read"])
    api = api_of(alice, team)

    assert pages(api, KEYS) == [["Tests"]]
    by_id, unknown = api.get(f"{KEYS}{theirs.pk}/"), api.get(f"{KEYS}{uuid4()}/")
    deleted = api.delete(f"{KEYS}{theirs.pk}/")

    assert (by_id.status_code, unknown.status_code, deleted.status_code) == (404, 404, 404)
    without_id = {"request_id": ""}
    assert by_id.json() | without_id == unknown.json() | without_id
    theirs.refresh_from_db()
    assert theirs.revoked_at is None


def test_a_list_costs_the_same_whatever_its_length(team: Team, alice: User, django_assert_num_queries: Any) -> None:
    api = api_of(alice, team)
    api.get(KEYS)
    with django_assert_num_queries(2):
        api.get(KEYS)
    more_keys(team, alice, 12)
    with django_assert_num_queries(2):
        api.get(KEYS)


@pytest.mark.attack(10)
@pytest.mark.parametrize("field", ["team_id", "team", "plan", "price", "is_published", "role", "id", "secret_sha256"])
def test_a_field_that_nobody_may_set_is_refused(team: Team, other_team: Team, alice: User, field: str) -> None:
    body = {"name": "Mine", "scopes": ["runs:read"], field: str(other_team.pk)}

    answer = api_of(alice, team).send("POST", KEYS, body)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": field, "code": "unknown_field", "message": "There is no such field."}]
    assert ApiKey.objects.filter(name="Mine").count() == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "parse_error"),
        (b"", 422, "invalid_input"),
        (b"\xff\xfe", 400, "parse_error"),
        (b'{"name": NaN}', 400, "parse_error"),
        (b'{"name": 1e999}', 400, "parse_error"),
        (b'{"name": "a\\u0000b"}', 400, "parse_error"),
        (b'{"name": "\\ud800"}', 400, "parse_error"),
        (b"[" * 100_000, 400, "parse_error"),
        (b'{"a":' * 70 + b"1" + b"}" * 70, 400, "parse_error"),
        (b"9" * 5000, 400, "parse_error"),
        (b"[]", 422, "invalid_input"),
        (b"null", 422, "invalid_input"),
        (b'{"name": {"a": 1}, "scopes": "runs:read"}', 422, "invalid_input"),
        (b'{"name": "' + b"x" * (2 * 1024 * 1024) + b'"}', 413, "too_large"),
    ],
)
def test_a_body_that_does_not_fit_is_refused(team: Team, alice: User, body: bytes, status: int, code: str) -> None:
    answer = api_of(alice, team).generic("POST", KEYS, body, "application/json")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"
    assert ApiKey.objects.count() == 1


def test_refusals_of_the_framework_are_problems_too(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    method = api.send("PUT", KEYS, {})
    options = api.options(KEYS)
    kind = api.generic("POST", KEYS, b"name=a", "application/x-www-form-urlencoded")
    accept = api.send("GET", KEYS, Accept="text/html")
    nowhere = api.get("/api/v1/nowhere/")
    not_an_id = api.get(f"{KEYS}1/")

    assert [(a.status_code, a.json()["code"]) for a in (method, options, kind, accept, nowhere, not_an_id)] == [
        (405, "method_not_allowed"),
        (405, "method_not_allowed"),
        (415, "unsupported_media_type"),
        (406, "not_acceptable"),
        (404, "not_found"),
        (404, "not_found"),
    ]
    assert method["Allow"] == "GET, HEAD, POST"
    for answer in (method, options, kind, accept, nowhere, not_an_id):
        assert answer["Content-Type"] == "application/problem+json"
        assert set(answer.json()) >= {"type", "title", "status", "detail", "code", "request_id", "errors"}
        assert answer.json()["request_id"] == answer["X-Request-Id"]


def test_a_sane_request_id_is_kept_and_another_replaced(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    kept = api.send("GET", "/api/v1/nowhere/", X_Request_Id="trace-1234.abc")
    replaced = api.send("GET", "/api/v1/nowhere/", X_Request_Id="<script>alert(1)</script>")

    assert (kept["X-Request-Id"], kept.json()["request_id"]) == ("trace-1234.abc", "trace-1234.abc")
    assert len(replaced["X-Request-Id"]) == 32
