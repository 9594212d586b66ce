"""Sign-up, sign-in, sign-out and password reset. Attack cases 44, 45."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings

from accounts import jobs
from accounts.models import Membership, Role, Team, User
from tests.factories import PASSWORD, UserFactory
from tests.standins.smtp import MailStandIn

SIGN_UP, SIGN_IN = "/accounts/signup/", "/accounts/login/"
NEW = {"email": "Grace@Example.com", "password1": PASSWORD}


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Passwords that are hashed during the test: hashing takes most of the time of a sign-in."""
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    return hashed


def link_in(message: Any) -> str:
    found = re.search(r"https?://[^/\s]+(/\S+)", str(message.body))
    assert found is not None
    return found[1]


def verified(**given: Any) -> User:
    user = UserFactory(**given)
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


def is_signed_in(client: Client) -> bool:
    return client.get("/api/v1/me/").status_code != 401


@pytest.mark.django_db
def test_signing_up_makes_the_person_the_team_and_a_mail() -> None:
    client = Client()

    answer = client.post(SIGN_UP, NEW)

    user = User.objects.get()
    membership = Membership.objects.get(user=user)
    assert answer.status_code == 302
    assert user.email == "grace@example.com"
    assert (membership.role, membership.team.is_personal, membership.team.name) == (Role.OWNER, True, "grace's team")
    assert [message.to for message in mail.outbox] == [["grace@example.com"]]
    assert is_signed_in(client) is False


@pytest.mark.django_db
def test_an_address_must_be_verified_before_its_owner_comes_in() -> None:
    client = Client()
    client.post(SIGN_UP, NEW)

    client.post(SIGN_IN, {"login": "grace@example.com", "password": PASSWORD})
    before = is_signed_in(client)
    link = link_in(mail.outbox[0])
    client.post(link)
    client.post(SIGN_IN, {"login": "grace@example.com", "password": PASSWORD})

    assert before is False
    assert is_signed_in(client) is True
    client.post("/accounts/logout/")
    assert is_signed_in(client) is False


@pytest.mark.django_db
@pytest.mark.parametrize("how", ["refuse", "drop", "away"])
def test_signing_up_while_the_mail_server_is_away_sends_the_link_later(how: str, settings: Any) -> None:
    settings.EMAIL_HOST, settings.EMAIL_TIMEOUT = "127.0.0.1", 2
    with MailStandIn(how) as server:
        settings.EMAIL_PORT = server.port if how != "away" else 1
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        answer = Client().post(SIGN_UP, NEW)
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")

    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    jobs.send_mails()

    assert [message.to for message in mail.outbox] == [["grace@example.com"]]
    client = Client()
    client.post(link_in(mail.outbox[0]))
    client.post(SIGN_IN, {"login": "grace@example.com", "password": PASSWORD})
    assert is_signed_in(client)


@pytest.mark.django_db
def test_signing_up_leaves_nobody_without_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    from accounts.services import teams

    def fail(**_: Any) -> None:
        raise RuntimeError("no team")

    monkeypatch.setattr(teams, "create_team", fail)
    with pytest.raises(RuntimeError, match="no team"):
        Client().post(SIGN_UP, NEW)

    assert User.objects.count() == 0
    assert Team.objects.count() == 0
    assert mail.outbox == []


@pytest.mark.attack(45)
@pytest.mark.django_db
def test_signing_up_with_a_known_address_looks_the_same() -> None:
    verified(email="grace@example.com", password="another good one")

    known = Client().post(SIGN_UP, NEW)
    new = Client().post(SIGN_UP, NEW | {"email": "new@example.com"})

    assert (known.status_code, known["Location"]) == (new.status_code, new["Location"])
    assert User.objects.filter(email="grace@example.com").count() == 1
    assert User.objects.get(email="grace@example.com").check_password("another good one")


@pytest.mark.attack(45)
@pytest.mark.django_db
def test_asking_for_a_reset_looks_the_same_for_any_address() -> None:
    verified(email="grace@example.com")

    answers = [
        Client().post("/accounts/password/reset/", {"email": f"{who}@example.com"}) for who in ("grace", "nobody")
    ]

    assert [(answer.status_code, answer["Location"]) for answer in answers] == [
        (302, "/accounts/password/reset/done/")
    ] * 2


@pytest.mark.attack(44)
@pytest.mark.django_db
def test_a_reset_link_works_once() -> None:
    user = verified(email="grace@example.com")
    elsewhere = Client()
    elsewhere.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    Client().post("/accounts/password/reset/", {"email": user.email})
    link = link_in(mail.outbox[0])
    client = Client()

    form = client.get(link)["Location"]
    client.post(form, {"password1": "a brand new secret", "password2": "a brand new secret"})
    user.refresh_from_db()
    assert user.check_password("a brand new secret")
    assert is_signed_in(elsewhere) is False

    again = Client().get(link)
    assert again.status_code == 400
    for wrong in ("1-null", "1-", "0-set-password", "1-abc-def", f"{user.pk}-null", "[]-[]"):
        answer = Client().post(
            f"/accounts/password/reset/key/{wrong}/", {"password1": "mallory was here", "password2": "mallory was here"}
        )
        assert answer.status_code in {400, 404}
    user.refresh_from_db()
    assert user.check_password("a brand new secret")


@pytest.mark.django_db
@pytest.mark.parametrize("email", ["", "null", "[]", "a@b@c", "\x00"])
def test_asking_for_a_reset_of_nonsense_sends_nothing(email: str) -> None:
    assert Client().post("/accounts/password/reset/", {"email": email}).status_code < 500
    assert mail.outbox == []


@pytest.mark.attack(45)
@pytest.mark.django_db
def test_guessing_passwords_is_stopped_whatever_the_headers_say() -> None:
    verified(email="grace@example.com")

    answers = [
        Client(headers={"X-Forwarded-For": f"10.0.0.{n}"}).post(
            SIGN_IN, {"login": "grace@example.com", "password": f"wrong {n}"}
        )
        for n in range(5)
    ]
    client = Client(headers={"X-Forwarded-For": "10.0.1.1"})
    client.post(SIGN_IN, {"login": "grace@example.com", "password": PASSWORD})

    assert {answer.status_code for answer in answers} == {200}
    assert is_signed_in(client) is False
    cache.clear()
    client.post(SIGN_IN, {"login": "grace@example.com", "password": PASSWORD})
    assert is_signed_in(client) is True


@pytest.mark.attack(45)
@pytest.mark.django_db
@pytest.mark.parametrize("proxies", [0, 1])
def test_one_address_cannot_try_many_accounts_behind_invented_headers(proxies: int) -> None:
    """Invent X-Forwarded-For. Only the address that our own proxy appends counts."""
    for n in range(7):
        verified(email=f"person{n}@example.com")

    def attempt(n: int, address: str, password: str) -> Client:
        made_up = f"10.0.0.{n}" + (f", {address}" if proxies else "")
        client = Client(headers={"X-Forwarded-For": made_up}, REMOTE_ADDR="127.0.0.1" if proxies else address)
        client.post(SIGN_IN, {"login": f"person{n}@example.com", "password": password})
        return client

    behind_a_proxy = {"ALLAUTH_TRUSTED_PROXY_COUNT": 1} if proxies else {}
    with override_settings(**behind_a_proxy):
        for n in range(5):
            attempt(n, "203.0.113.7", "wrong")
        same, other = attempt(5, "203.0.113.7", PASSWORD), attempt(6, "203.0.113.8", PASSWORD)

        assert (is_signed_in(same), is_signed_in(other)) == (False, True)


@pytest.mark.attack(45)
@pytest.mark.django_db
def test_a_wrong_password_is_the_same_answer_and_the_same_work_for_any_address(hashes: list[str]) -> None:
    verified(email="known@example.com")
    UserFactory(email="unverified@example.com").emailaddress_set.create(email="unverified@example.com", primary=True)
    verified(email="disabled@example.com", is_active=False)
    answers, work = set(), set()

    for who in ("known", "unverified", "disabled", "nobody"):
        cache.clear()
        hashes.clear()
        answer = Client().post(SIGN_IN, {"login": f"{who}@example.com", "password": "wrong"})
        without = re.sub(r'(value|nonce)="[^"]*"', "", answer.content.decode())  # without address, tokens, nonces
        answers.add((answer.status_code, without, tuple(sorted(answer.cookies))))
        work.add(len(hashes))

    assert len(answers) == 1
    assert len(work) == 1
    assert "do not go together" in answers.pop()[1]


@pytest.mark.attack(45)
@pytest.mark.django_db
def test_signing_up_is_the_same_work_for_any_address(hashes: list[str]) -> None:
    verified(email="known@example.com")
    work = set()

    for who in ("known", "new"):
        hashes.clear()
        Client().post(SIGN_UP, NEW | {"email": f"{who}@example.com"})
        work.add(len(hashes))

    assert work == {1}


@pytest.mark.attack(44)
@pytest.mark.django_db
@pytest.mark.parametrize(
    "body", [{}, {"email": ""}, {"email": "null"}, {"email[]": "grace@example.com"}, {"email": ["a@b.c", "d@e.f"]}]
)
def test_a_reset_without_one_address_changes_nothing(body: dict[str, Any]) -> None:
    user = verified(email="grace@example.com")

    answer = Client().post("/accounts/password/reset/", body)

    assert answer.status_code < 500
    assert [message for message in mail.outbox if message.to == [user.email]] == []


@pytest.mark.attack(44)
@pytest.mark.django_db
@pytest.mark.parametrize("password", [{}, {"password1": ""}, {"password1": ["", ""]}, {"password1": "\x00" * 9}])
def test_a_reset_without_a_password_changes_nothing_and_the_link_still_works(password: dict[str, Any]) -> None:
    user = verified(email="grace@example.com")
    Client().post("/accounts/password/reset/", {"email": user.email})
    client = Client()
    form = client.get(link_in(mail.outbox[0]))["Location"]

    answer = client.post(form, password)

    user.refresh_from_db()
    assert answer.status_code == 200
    assert user.check_password(PASSWORD)
    client.post(form, {"password1": "a brand new secret", "password2": "a brand new secret"})
    user.refresh_from_db()
    assert user.check_password("a brand new secret")


@pytest.mark.django_db
@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "javascript:alert(1)", "/\\evil.test"])
def test_signing_in_never_leads_elsewhere(target: str) -> None:
    verified(email="grace@example.com")

    answer = Client().post(
        f"{SIGN_IN}?next={target}", {"login": "grace@example.com", "password": PASSWORD, "next": target}
    )

    assert "evil" not in answer.get("Location", "")
    assert not answer.get("Location", "").startswith("javascript")
