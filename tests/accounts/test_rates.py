"""Rate limits, with Valkey and without it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as product
from django.test import Client, RequestFactory
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.errors import Unavailable
from accounts.models import Invitation, Role, Team, User
from accounts.rest.throttles import BuildThrottle, ChatThrottle
from accounts.services import rates, tokens
from accounts.services.keys import create_key
from accounts.tenancy import access_of_key
from config.cache import ForgivingRedisCache
from tasks.services import shares
from tests.accounts.people import person
from tests.architecture.code import ROOT
from tests.calling import Api, api_of, signed_in
from tests.factories import PASSWORD, AgentFactory, MembershipFactory, RunFactory
from tests.races.concurrency import at_once

pytestmark = pytest.mark.django_db
ME, INVITATIONS = "/api/v1/me/", "/api/v1/teams/acme/invitations/"
SIGN_IN = "/api/v1/auth/token/"


@pytest.fixture
def away(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Valkey that refuses connections."""
    monkeypatch.setattr(ForgivingRedisCache, "_retry_at", 0.0)
    monkeypatch.setattr(rates, "_alone", rates._Alone())
    settings.CACHES = {"default": product.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/1"}}


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(**kinds: str) -> None:
        for kind, rate in kinds.items():
            monkeypatch.setitem(product.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"], kind, rate)

    return put


def test_every_kind_has_a_rate_and_says_in_the_docs_what_it_does_while_valkey_is_away() -> None:
    rows = re.findall(r"(?m)^\| `(\w+)` \| .+? \| (\w+): .+ \|$", (ROOT / "docs" / "security.md").read_text())

    assert dict(rows) == {kind: away.value for kind, away in rates.KINDS.items()}
    assert set(product.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]) == set(rates.KINDS)
    for rate in product.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"].values():
        assert rates.parse_rate(rate)[0] > 0


def test_of_many_at_once_exactly_as_many_pass_as_may(limits: Any) -> None:
    limits(build="3/d")

    said = at_once(12, lambda _: rates.spend("build", "user:1"))

    assert sorted(usage.used for usage in said) == list(range(1, 13))
    assert sum(not usage.is_over for usage in said) == 3


def test_who_has_no_key_or_a_wrong_one_is_counted_by_address(limits: Any) -> None:
    limits(address="3/d")
    wrong = {"Authorization": "Bearer dh_0000000000_x"}

    answers = [Api().get(ME), Api(headers=wrong).get(ME), Api().get(ME), Api(headers=wrong).get(ME)]
    spoofed = Api(headers={"X-Forwarded-For": "203.0.113.7"}).get(ME)

    assert [answer.status_code for answer in [*answers, spoofed]] == [401, 401, 401, 429, 429]
    assert [answer["RateLimit-Remaining"] for answer in answers] == ["2", "1", "0", "0"]
    assert (answers[3]["RateLimit-Limit"], answers[3].json()["code"]) == ("3", "throttled")
    assert int(answers[3]["Retry-After"]) > 0
    assert Api(REMOTE_ADDR="203.0.113.8").get(ME).status_code == 401


@pytest.mark.attack(45)
def test_more_keys_of_one_person_allow_no_more_calls(limits: Any, team: Team, other_team: Team, alice: User) -> None:
    """Call with two keys, in another team, with a token and by browser: all count together."""
    limits(key="5/d")
    MembershipFactory(team=other_team, user=alice, role=Role.OWNER)
    token = tokens.issue_pair(user=alice).access
    callers = [api_of(alice, team), api_of(alice, team), api_of(alice, other_team)]
    callers += [Api(headers={"Authorization": f"Bearer {token}"}), signed_in(alice)]

    first, second = [[caller.get(ME) for caller in callers] for _ in range(2)]

    assert [answer.status_code for answer in first] == [200] * 5
    assert [answer["RateLimit-Remaining"] for answer in first] == ["4", "3", "2", "1", "0"]
    assert [answer.status_code for answer in second] == [429] * 5
    assert {answer.json()["code"] for answer in second} == {"throttled"}
    assert min(int(answer["Retry-After"]) for answer in second) > 0


@pytest.mark.parametrize("kind", ["chat", "build"])
def test_keys_share_the_narrower_limits_of_their_person_too(limits: Any, team: Team, alice: User, kind: str) -> None:
    limits(**{kind: "1/d"})
    throttle = {"chat": ChatThrottle, "build": BuildThrottle}[kind]
    keys = [create_key(team=team, actor=alice, name=f"Key {n}", scopes=["runs:write"])[0] for n in range(2)]
    requests = [Request(RequestFactory().post("/")) for _ in keys]
    for request, key in zip(requests, keys, strict=True):
        request.user, request.auth = alice, access_of_key(key, Role.OWNER)

    assert [throttle().allow_request(request, APIView()) for request in requests] == [True, False]


def test_the_people_of_a_team_share_a_limit(limits: Any, team: Team, other_team: Team, alice: User, bob: User) -> None:
    limits(team="3/d")
    MembershipFactory(team=other_team, user=bob)
    callers = [api_of(alice, team), api_of(alice, team), api_of(bob, team)]

    answers = [caller.get(ME) for caller in [*callers, callers[2]]]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert [answer["RateLimit-Limit"] for answer in answers] == ["3"] * 4
    assert api_of(bob, other_team).get(ME).status_code == 200


def test_the_headers_tell_of_the_limit_that_is_nearer(limits: Any, team: Team, alice: User, bob: User) -> None:
    limits(key="3/d", team="4/d")
    one, two = api_of(alice, team), api_of(bob, team)

    told = [caller.get(ME) for caller in (one, one, two)]

    left = [(answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) for answer in told]
    assert left == [("3", "2"), ("3", "1"), ("4", "1")]


def test_a_good_key_does_not_suffer_for_its_address(limits: Any, team: Team, alice: User) -> None:
    limits(address="1/d")
    for _ in range(3):
        Api().get(ME)

    assert api_of(alice, team).get(ME).status_code == 200


def test_a_shared_run_is_asked_for_so_often(limits: Any, team: Team, alice: User) -> None:
    limits(share="2/d")
    _, token = shares.share_run(run=RunFactory(agent=AgentFactory(team=team)), actor=alice)

    answers = [Client().get(f"/share/{token}/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[2]["Retry-After"]) > 0


def test_a_team_sends_so_many_invitations(limits: Any, team: Team, alice: User) -> None:
    limits(invite="2/d")
    api = api_of(alice, team)

    answers = [api.send("POST", INVITATIONS, {"email": f"{n}@example.com", "role": "member"}) for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert int(answers[2]["Retry-After"]) > 0
    assert Invitation.objects.count() == 2


# ---- Without Valkey


@pytest.mark.usefixtures("away")
def test_without_valkey_the_api_answers(limits: Any, team: Team, alice: User) -> None:
    limits(key="1/d")
    api = api_of(alice, team)

    assert [api.get(ME).status_code for _ in range(3)] == [200] * 3


@pytest.mark.usefixtures("away")
def test_without_valkey_strangers_are_counted_by_each_process(limits: Any) -> None:
    limits(address="2/d")

    assert [Api().get(ME).status_code for _ in range(3)] == [401, 401, 429]


@pytest.mark.usefixtures("away")
def test_without_valkey_nothing_is_sent_to_strangers(team: Team, alice: User) -> None:
    answer = api_of(alice, team).send("POST", INVITATIONS, {"email": "new@example.com", "role": "member"})

    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "5")
    assert Invitation.objects.exists() is False
    with pytest.raises(Unavailable):
        rates.require("build", "user:1")
    rates.require("chat", "user:1")
    rates.require("share", "address:1")


@pytest.mark.usefixtures("away")
def test_without_valkey_passwords_cannot_be_guessed(limits: Any) -> None:
    grace = person()
    limits(sign_in="5/d")
    page = {"login": grace.email, "password": "wrong"}
    for _ in range(2):
        Client().post("/accounts/login/", page)
    wrong = {"email": grace.email, "password": "wrong"}
    for _ in range(3):
        assert Api().send("POST", SIGN_IN, wrong).status_code == 401

    by_api = Api().send("POST", SIGN_IN, wrong | {"password": PASSWORD})
    browser = Client()
    by_page = browser.post("/accounts/login/", page | {"password": PASSWORD})

    assert (by_api.status_code, by_page.status_code) == (429, 200)
    assert browser.get(ME).status_code == 401
