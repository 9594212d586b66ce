"""Access to the API by keys, sessions, teams and scopes. Attack cases 11, 46, 48."""

from __future__ import annotations

import pytest
from django.core.cache import cache
from django.test import Client

from accounts.models import ApiKey, Membership, Role, Team, User
from accounts.services import keys
from tests.calling import Api, api_of, signed_in

ME = "/api/v1/me/"


def test_without_a_key_the_answer_says_how_to_sign_in(db: None) -> None:
    answer = Api().get(ME)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == 'Bearer realm="deskhand"'
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/docs/errors/#not_authenticated",
        "title": "Sign in or send a key",
        "status": 401,
        "detail": "Authentication credentials were not provided.",
        "code": "not_authenticated",
        "request_id": answer["X-Request-Id"],
        "errors": [],
    }


@pytest.mark.attack(46)
@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer dh_0000000000_x",
        "Bearer ' OR 1=1 --",
        "Basic YWxpY2U6eA==",
        "Bearer dh_\x00",
        "Bearer \xe9\xff",
    ],
)
def test_a_key_that_is_none_is_refused(db: None, header: str) -> None:
    answer = Api(headers={"Authorization": header}).get(ME)

    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"


@pytest.mark.attack(46)
def test_a_revoked_key_is_refused_at_once(team: Team, alice: User) -> None:
    api = api_of(alice, team)
    assert api.get(ME).status_code == 200

    keys.revoke_key(key=ApiKey.objects.get(), actor=alice)

    assert api.get(ME).status_code == 401


@pytest.mark.attack(11)
def test_a_key_acts_in_its_own_team_only(team: Team, other_team: Team, alice: User, charlie: User) -> None:
    Membership.objects.create(team=other_team, user=alice, role=Role.MEMBER)
    api = api_of(alice, team, "runs:read")

    me = api.get(ME).json()
    named = api.send("GET", ME, X_Team="acme")
    elsewhere = api.send("GET", ME, X_Team="elsewhere")
    spoofed = api.send("GET", f"{ME}", X_User_Id=str(charlie.pk), X_Forwarded_User="charlie@example.com")

    assert (me["email"], me["team"], me["scopes"]) == ("alice@example.com", "acme", ["runs:read"])
    assert me["teams"] == [{"slug": "acme", "name": "Acme", "role": "owner"}]
    assert named.status_code == 200
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "not_found")
    assert spoofed.json()["email"] == "alice@example.com"


def test_a_session_acts_in_the_first_team_or_the_named_one(team: Team, other_team: Team, alice: User) -> None:
    Membership.objects.create(team=other_team, user=alice, role=Role.VIEWER)
    browser = signed_in(alice)

    first = browser.get(ME).json()
    named = browser.send("GET", ME, X_Team="elsewhere").json()
    unknown = browser.send("GET", ME, X_Team="nowhere")

    assert first["team"] == "acme"
    assert [row["slug"] for row in first["teams"]] == ["acme", "elsewhere"]
    assert (named["team"], "runs:write" in named["scopes"]) == ("elsewhere", False)
    assert unknown.status_code == 404


def test_a_session_of_a_disabled_person_is_none(team: Team, alice: User) -> None:
    browser = signed_in(alice)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert browser.get(ME).status_code == 401


@pytest.mark.attack(48)
def test_a_cross_site_form_with_the_cookie_changes_nothing(team: Team, alice: User) -> None:
    browser = signed_in(alice)

    plain = browser.send("PATCH", ME, {"name": "Mallory"})
    as_text = browser.generic("PATCH", ME, b'{"name": "Mallory"}', "text/plain")

    alice.refresh_from_db()
    assert (plain.status_code, plain.json()["code"]) == (403, "csrf_failed")
    assert as_text.status_code == 403
    assert alice.name == "Alice"


def test_a_session_with_its_csrf_token_may_write(team: Team, alice: User) -> None:
    browser = signed_in(alice)
    token = "a" * 32
    browser.cookies["csrftoken"] = token

    answer = browser.send("PATCH", ME, {"name": "Alice B."}, X_CSRFToken=token)

    assert (answer.status_code, answer.json()["name"]) == (200, "Alice B.")


def test_a_key_without_the_scope_is_told_which_one(team: Team, alice: User) -> None:
    answer = api_of(alice, team, "runs:read").get("/api/v1/api-keys/")

    assert answer.status_code == 403
    assert (answer.json()["code"], answer.json()["required_scope"]) == ("insufficient_scope", "team:admin")


def test_a_role_without_the_scope_is_told_which_one(team: Team, bob: User) -> None:
    answer = signed_in(bob).get("/api/v1/api-keys/")

    assert (answer.status_code, answer.json()["required_scope"]) == (403, "team:admin")


def test_calls_are_counted_for_each_person(team: Team, alice: User, bob: User, settings) -> None:  # type: ignore[no-untyped-def]
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"key": "2/d"}
    }
    cache.clear()
    api, other = api_of(alice, team), api_of(bob, team)

    answers = [api.get(ME) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer["RateLimit-Limit"] for answer in answers} == {"2"}
    refused = answers[2]
    assert 0 < int(refused["Retry-After"]) <= 86_400
    assert abs(int(refused["Retry-After"]) - int(refused["RateLimit-Reset"])) <= 1
    assert (refused.json()["code"], refused["Content-Type"]) == ("throttled", "application/problem+json")
    assert other.get(ME).status_code == 200


@pytest.mark.attack(48)
def test_an_evil_host_is_refused(db: None) -> None:
    assert Client(headers={"Host": "evil.test"}).get("/accounts/password/reset/").status_code == 400
