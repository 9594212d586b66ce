"""Password guessing: it is slowed down, and cannot keep the owner out of the account."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.test import Client
from django.utils import timezone

from accounts.models import KnownAddress, User
from accounts.services import rates
from config.cache import ForgivingRedisCache
from tests.accounts.people import SIGN_IN, browser, is_signed_in, person
from tests.factories import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.attack(45)]
TOKEN = "/api/v1/auth/token/"
OFFICE, HOTEL = "198.51.100.7", "192.0.2.44"
_strangers = (f"203.0.113.{n}" for n in count(1))


@pytest.fixture
def grace() -> User:
    """Person who has signed in from her office before."""
    user = person()
    assert is_signed_in(at(OFFICE, user.email))
    return user


def at(address: str, email: str, password: str = PASSWORD, **headers: str) -> Client:
    """Return a new browser at that address, after one attempt to sign in."""
    client = Client(REMOTE_ADDR=address, headers=headers)
    client.post(SIGN_IN, {"login": email, "password": password})
    return client


def guess(email: str, times: int = 6, **headers: str) -> None:
    """Try wrong passwords, each from an address of its own."""
    for _ in range(times):
        assert is_signed_in(at(next(_strangers), email, "wrong", **headers)) is False


def token(address: str, email: str, password: str = PASSWORD) -> Any:
    body = {"email": email, "password": password}
    return Client(REMOTE_ADDR=address).post(TOKEN, body, content_type="application/json")


def test_whoever_guesses_elsewhere_does_not_lock_the_owner_out(grace: User) -> None:
    guess(grace.email)

    assert is_signed_in(at(OFFICE, grace.email)) is True
    assert token(OFFICE, grace.email).status_code == 200


def test_a_stranger_gets_no_further_with_the_right_password(grace: User) -> None:
    guess(grace.email)

    answer = Client(REMOTE_ADDR=HOTEL).post(SIGN_IN, {"login": grace.email, "password": PASSWORD})

    assert "Too many tries" in answer.content.decode()
    assert token(HOTEL, grace.email).status_code == 429


def test_a_mail_link_is_a_way_in_from_anywhere(grace: User) -> None:
    guess(grace.email)
    here = Client(REMOTE_ADDR=HOTEL)
    here.post("/accounts/password/reset/", {"email": grace.email})
    link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link is not None
    form = here.get(link[1])["Location"]

    here.post(form, {"password1": "a brand new secret", "password2": "a brand new secret"})

    assert is_signed_in(here) is True
    guess(grace.email)
    assert is_signed_in(at(HOTEL, grace.email, "a brand new secret")) is True
    assert [known.address for known in KnownAddress.objects.filter(user=grace)] == [HOTEL]


def test_a_known_address_has_five_tries_of_its_own(grace: User) -> None:
    for _ in range(5):
        at(OFFICE, grace.email, "wrong")

    assert is_signed_in(at(OFFICE, grace.email)) is False
    assert is_signed_in(at(HOTEL, grace.email)) is True


def test_an_address_is_known_for_the_account_that_it_signed_in_to(grace: User) -> None:
    ada = person("ada@example.com")
    guess(ada.email)

    assert is_signed_in(at(OFFICE, ada.email)) is False


def test_a_second_address_of_the_account_is_the_account(grace: User) -> None:
    grace.emailaddress_set.create(email="grace@work.example.com", verified=True)
    guess("grace@work.example.com")

    assert is_signed_in(at(OFFICE, "grace@work.example.com")) is True


def test_another_port_in_the_host_header_gives_no_more_tries(grace: User) -> None:
    for n in range(6):
        guess(grace.email, 1, Host=f"localhost:{n + 1}")

    assert is_signed_in(at(HOTEL, grace.email, Host="localhost:99")) is False


def test_the_networks_of_an_ipv6_address_are_one(grace: User) -> None:
    assert is_signed_in(at("2001:db8:7:7::1", grace.email))
    guess(grace.email)

    assert is_signed_in(at("2001:db8:7:7:aaaa::2", grace.email)) is True
    assert is_signed_in(at("2001:db8:7:8::1", grace.email)) is False


def test_who_is_signed_in_confirms_from_wherever_they_are_now(grace: User) -> None:
    client = browser(grace)
    guess(grace.email)

    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD}, REMOTE_ADDR=HOTEL)

    assert answer.status_code == 302


def test_a_new_password_forgets_the_addresses_of_before(grace: User) -> None:
    """Change the password: whoever knew the old one may have signed in from the known addresses."""
    at(HOTEL, grace.email)
    client = browser(grace)
    fresh = {"password1": "a brand new secret", "password2": "a brand new secret"}

    client.post("/accounts/password/change/", {"oldpassword": PASSWORD} | fresh)

    assert [known.address for known in KnownAddress.objects.filter(user=grace)] == ["127.0.0.1"]
    guess(grace.email)
    assert is_signed_in(at(OFFICE, grace.email, "a brand new secret")) is False


def test_a_wrong_password_or_code_makes_no_address_known(grace: User) -> None:
    Authenticator.objects.create(user=grace, type=Authenticator.Type.TOTP, data={"secret": "JBSWY3DPEHPK3PXP"})

    at(HOTEL, grace.email)
    token(HOTEL, grace.email)
    at(HOTEL, grace.email, "wrong")

    assert [known.address for known in KnownAddress.objects.filter(user=grace)] == [OFFICE]


def test_an_address_is_known_for_ninety_days(grace: User) -> None:
    KnownAddress.objects.update(last_used_at=timezone.now() - timedelta(days=91))
    guess(grace.email)

    assert is_signed_in(at(OFFICE, grace.email)) is False


def test_only_the_newest_addresses_are_kept(grace: User) -> None:
    for n in range(25):
        assert is_signed_in(at(f"198.18.0.{n}", grace.email))

    kept = {known.address for known in KnownAddress.objects.filter(user=grace)}
    assert kept == {f"198.18.0.{n}" for n in range(5, 25)}


def test_the_answer_does_not_tell_whether_there_is_an_account(grace: User) -> None:
    said = set()
    for email in (grace.email, "nobody@example.com"):
        guess(email)
        answer = token(HOTEL, email, "x")
        said.add((answer.status_code, answer.json()["detail"], answer["Retry-After"]))

    assert len(said) == 1


def test_without_valkey_the_owner_gets_in_too(grace: User, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setattr(rates, "_alone", rates._Alone())
    monkeypatch.setattr(ForgivingRedisCache, "_retry_at", 0.0)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/1"}}
    guess(grace.email)

    assert is_signed_in(at(HOTEL, grace.email)) is False
    assert is_signed_in(at(OFFICE, grace.email)) is True
