"""JWT pairs of the API."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail

from accounts.models import AuditEntry, Membership, Role, Team, TokenFamily, User
from accounts.services import credentials
from tests.accounts.people import totp
from tests.calling import Api
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
ME, SIGN_IN, REFRESH = "/api/v1/me/", "/api/v1/auth/token/", "/api/v1/auth/token/refresh/"
REVOKE = "/api/v1/auth/token/revoke/"


@pytest.fixture
def grace(alice: User) -> User:
    """Alice, with a verified address."""
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    return alice


def sign_in(email: str = "alice@example.com", password: str = PASSWORD, **more: Any) -> Any:
    return Api().send("POST", SIGN_IN, {"email": email, "password": password, **more})


def pair_of(user: User) -> dict[str, str]:
    pair: dict[str, str] = sign_in(user.email).json()
    return pair


def me(access: str, **headers: str) -> Any:
    return Api(headers={"Authorization": f"Bearer {access}"}).send("GET", ME, **headers)


def refresh(token: str) -> Any:
    return Api().send("POST", REFRESH, {"refresh": token})


def test_a_pair_opens_what_the_person_may_do(grace: User, team: Team, other_team: Team) -> None:
    Membership.objects.create(team=other_team, user=grace, role=Role.VIEWER)

    answer = sign_in()
    access = answer.json()["access"]

    assert (answer.status_code, set(answer.json())) == (200, {"access", "refresh", "expires_in"})
    assert answer["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer
    assert me(access).json()["team"] == "acme"
    assert me(access, X_Team="elsewhere").json()["team"] == "elsewhere"
    assert "agents:write" not in me(access, X_Team="elsewhere").json()["scopes"]
    assert me(access, X_Team="nowhere").status_code == 404


@pytest.mark.attack(45)
def test_what_is_wrong_is_not_told_to_somebody_without_the_password(grace: User) -> None:
    unverified = UserFactory(email="new@example.com")
    asleep = UserFactory(email="off@example.com", is_active=False)

    answers = [sign_in(who, "wrong") for who in (grace.email, unverified.email, asleep.email, "nobody@example.com")]

    told = [{**answer.json(), "request_id": ""} for answer in answers]
    assert told == [told[0]] * 4
    assert (told[0]["status"], told[0]["code"]) == (401, "invalid_credentials")
    assert answers[0]["WWW-Authenticate"] == 'Bearer realm="deskhand"'
    assert TokenFamily.objects.exists() is False
    assert mail.outbox == []


def test_an_unverified_address_is_sent_its_link_and_refused(db: None) -> None:
    new = UserFactory(email="new@example.com")

    answer = sign_in(new.email)

    assert (answer.status_code, answer.json()["code"]) == (403, "email_not_verified")
    assert answer.json()["detail"] == "We’ve sent you a link. Open it to finish."
    assert [message.to for message in mail.outbox] == [["new@example.com"]]
    assert TokenFamily.objects.exists() is False


def test_a_disabled_person_gets_no_pair(grace: User) -> None:
    User.objects.update(is_active=False)

    answer = sign_in()

    assert (answer.status_code, answer.json()["code"]) == (403, "account_inactive")
    assert TokenFamily.objects.exists() is False


def test_wrong_passwords_are_counted_with_those_of_the_page(grace: User) -> None:
    for _ in range(3):
        assert Api().post("/accounts/login/", {"login": grace.email, "password": "wrong"}).status_code == 200
    assert [sign_in(password="wrong").status_code for _ in range(2)] == [401, 401]

    right = sign_in()

    assert (right.status_code, right["Retry-After"]) == (429, "60")
    assert TokenFamily.objects.exists() is False


@pytest.mark.attack(46)
def test_a_refresh_token_is_good_once_and_its_second_use_ends_the_family(grace: User) -> None:
    first = pair_of(grace)
    second = refresh(first["refresh"]).json()
    assert me(second["access"]).status_code == 200

    stolen = refresh(first["refresh"])

    assert (stolen.status_code, stolen.json()["code"]) == (401, "invalid_token")
    assert refresh(second["refresh"]).status_code == 401
    assert [me(pair["access"]).status_code for pair in (first, second)] == [401, 401]
    entry = AuditEntry.objects.latest("id")
    assert (entry.actor, entry.action) == (None, "session.ended")
    assert entry.data == {"count": 1, "why": "a used refresh token came again"}
    assert me(pair_of(grace)["access"]).status_code == 200


def change_password(user: User) -> None:
    user.set_password("a brand new secret")
    user.save()


def switch_off(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def sign_out_everywhere(user: User) -> None:
    credentials.end_sessions(user)


@pytest.mark.attack(47)
@pytest.mark.parametrize("end", [change_password, switch_off, sign_out_everywhere])
def test_all_tokens_end_with(end: Any, grace: User) -> None:
    pair = pair_of(grace)

    end(grace)

    assert me(pair["access"]).status_code == 401
    assert refresh(pair["refresh"]).status_code == 401


@pytest.mark.attack(46)
def test_only_the_right_kind_of_token_of_ours_opens_anything(grace: User, team: Team) -> None:
    pair = pair_of(grace)
    claims = jwt.decode(pair["access"], options={"verify_signature": False})
    forged = jwt.encode(claims, "only-for-tests-and-checks-and-32-bytes", algorithm="HS256")
    unsigned = jwt.encode(claims, None, algorithm="none")
    header, body, signature = pair["access"].split(".")

    wrong = [
        pair["refresh"],
        forged,
        unsigned,
        f"{header}.{body}.",
        f"{header}.{body}.{signature[:-4]}AAAA",
        "a.b.c",
        "..",
    ]

    assert [me(token).status_code for token in wrong] == [401] * len(wrong)
    assert refresh(pair["access"]).status_code == 401
    assert TokenFamily.objects.get().revoked_at is None


def test_an_access_token_ends_by_itself(grace: User, settings: Any) -> None:
    settings.ACCESS_TOKEN_LIFETIME *= -1

    assert me(pair_of(grace)["access"]).status_code == 401


def test_a_person_without_a_team_is_told_so(grace: User) -> None:
    pair = pair_of(grace)
    Membership.objects.all().delete()

    assert me(pair["access"]).status_code == 404


@pytest.mark.attack(18)
@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "key", "access", "bearer", "authorization"])
def test_a_token_in_the_address_opens_nothing(name: str, grace: User) -> None:
    access = pair_of(grace)["access"]

    answers = [
        Api().get(path, {name: value}) for path in (ME, "/api/v1/runs/") for value in (access, f"Bearer {access}")
    ]

    assert [answer.status_code for answer in answers] == [401] * 4
    assert all(access not in answer.content.decode() for answer in answers)


def test_a_second_factor_is_asked_for_and_each_code_is_good_once(grace: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(grace, secret)
    recovery = RecoveryCodes.activate(grace).get_unused_codes()[0]
    code = totp(secret)

    answers = [sign_in(), sign_in(code="000000"), sign_in(code=code), sign_in(code=code), sign_in(code=recovery)]
    answers += [sign_in(code=recovery), sign_in(password="wrong", code=code)]

    told = [(answer.status_code, answer.json().get("code")) for answer in answers]
    wrong = (401, "invalid_credentials")
    assert told == [(401, "second_factor_required"), wrong, (200, None), wrong, (200, None), wrong, wrong]
    assert TokenFamily.objects.count() == 2


def revoke(token: str) -> Any:
    return Api().send("POST", REVOKE, {"refresh": token})


def test_signing_out_voids_the_tokens_of_that_sign_in_alone(grace: User, team: Team) -> None:
    mine, other = pair_of(grace), pair_of(grace)

    answer = revoke(mine["refresh"])

    assert (answer.status_code, answer.content) == (204, b"")
    assert me(mine["access"]).status_code == 401
    assert (refresh(mine["refresh"]).status_code, refresh(mine["refresh"]).json()["code"]) == (401, "invalid_token")
    assert me(other["access"]).status_code == 200
    entry = AuditEntry.objects.get(action="session.signed_out")
    assert (entry.actor, entry.team, entry.data) == (grace, team, {"by": "token"})


def test_signing_out_with_a_used_refresh_token_ends_the_sign_in_too(grace: User) -> None:
    first = pair_of(grace)
    second = refresh(first["refresh"]).json()

    assert revoke(first["refresh"]).status_code == 204

    assert me(second["access"]).status_code == 401
    assert refresh(second["refresh"]).status_code == 401


def test_signing_out_again_or_with_another_text_changes_nothing(grace: User) -> None:
    pair = pair_of(grace)

    answers = [revoke(token).status_code for token in ("nonsense", pair["access"], "dh_1_2")]

    assert answers == [204] * 3
    assert me(pair["access"]).status_code == 200
    assert [revoke(pair["refresh"]).status_code for _ in range(2)] == [204, 204]
    assert AuditEntry.objects.filter(action="session.signed_out").count() == 1
    assert Api().send("POST", REVOKE, {}).status_code == 422
