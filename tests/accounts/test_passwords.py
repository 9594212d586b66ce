"""Passwords: one form for every keyboard, and the same refusals at every entry point."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher, make_password
from django.core import mail
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import passwords
from accounts.models import User
from tests.accounts.people import SIGN_IN, browser, is_signed_in, person
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
TOKEN = "/api/v1/auth/token/"
COMPOSED = unicodedata.normalize("NFC", "crème brûlée à la carte")
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
NO_BREAK = COMPOSED.replace(" ", "\u00a0")
WIDE = "ｃｒèｍｅ brûlée à la carte"
FORMS = [COMPOSED, DECOMPOSED, NO_BREAK, WIDE]
BLANK = ["          ", "\u00a0" * 12, "\u3000\u2003 \t" * 3, "\u200b" * 12, "\u3164" * 12, "\u2800" * 12]
HIDDEN = ["correct horse\u200b battery", "correct\thorse battery", "correct horse\u202e battery"]


def token(email: str, password: str) -> int:
    body = {"email": email, "password": password}
    return Client().post(TOKEN, body, content_type="application/json").status_code


def page(email: str, password: str) -> bool:
    client = Client()
    client.post(SIGN_IN, {"login": email, "password": password})
    return is_signed_in(client)


@pytest.mark.parametrize("made", FORMS)
@pytest.mark.parametrize("typed", FORMS)
def test_every_form_of_a_password_is_the_same(made: str, typed: str) -> None:
    user = person()
    user.set_password(made)
    user.save()

    assert page(user.email, typed)
    assert token(user.email, typed) == 200
    assert not page(user.email, typed.upper())


@pytest.mark.parametrize("kept", [COMPOSED, DECOMPOSED, NO_BREAK])
@pytest.mark.parametrize("typed", FORMS[:2])
def test_a_password_that_was_hashed_as_it_was_typed_still_opens(kept: str, typed: str) -> None:
    """Sign in with a password that was hashed before forms were canonical. It is typed on either kind of keyboard."""
    user = person()
    User.objects.filter(pk=user.pk).update(password=make_password(kept))
    opens = typed == kept or kept != NO_BREAK

    assert page(user.email, typed) is opens
    assert page(user.email, kept) is True
    user.refresh_from_db()
    assert token(user.email, kept) == 200


def test_an_older_password_goes_on_signing_in_without_ending_sessions() -> None:
    user = person()
    User.objects.filter(pk=user.pk).update(password=make_password(DECOMPOSED))
    user.refresh_from_db()
    client = browser(user, password=DECOMPOSED)

    assert page(user.email, COMPOSED)
    assert is_signed_in(client)


@pytest.mark.parametrize("made", FORMS)
def test_every_door_makes_the_same_password(made: str) -> None:
    """Set a password by sign-up on the page and the API, reset, change, and the admin."""
    both = {"password1": made, "password2": unicodedata.normalize("NFC", made)} if made == DECOMPOSED else {}
    both = both or {"password1": made, "password2": made}
    Client().post("/accounts/signup/", {"email": "page@example.com", "password1": made})
    Client().post("/api/v1/auth/sign-up/", {"email": "api@example.com", "password": made}, "application/json")
    changed, reset = person("change@example.com"), person("reset@example.com")
    browser(changed).post("/accounts/password/change/", {"oldpassword": PASSWORD, **both, "password2": made})
    Client().post("/accounts/password/reset/", {"email": reset.email})
    link = re.search(r"https?://[^/\s]+(/accounts/password/reset/key/\S+)", str(mail.outbox[-1].body))
    assert link is not None
    client = Client()
    client.post(client.get(link[1])["Location"], {"password1": made, "password2": made})
    operator = Client()
    operator.force_login(UserFactory(is_staff=True, is_superuser=True))
    new = {"email": "admin@example.com", "usable_password": "true", "password1": made, "password2": made}
    operator.post("/admin/accounts/user/add/", new)
    EmailAddress.objects.update(verified=True)

    for who in ("page", "api", "change", "reset", "admin"):
        cache.clear()
        assert page(f"{who}@example.com", COMPOSED), who


@pytest.mark.parametrize("bad", BLANK + HIDDEN)
def test_no_door_takes_what_nobody_can_see(bad: str) -> None:
    fields = {"password1": bad, "password2": bad}
    user = person()
    client = browser(user)

    sign_up = Client().post("/accounts/signup/", {"email": "new@example.com", "password1": bad})
    api = Client().post("/api/v1/auth/sign-up/", {"email": "new@example.com", "password": bad}, "application/json")
    change = client.post("/accounts/password/change/", {"oldpassword": PASSWORD, **fields})
    operator = Client()
    operator.force_login(UserFactory(is_staff=True, is_superuser=True))
    add = operator.post("/admin/accounts/user/add/", {"email": "new@example.com", "usable_password": "true", **fields})
    reset = operator.post(f"/admin/accounts/user/{user.pk}/password/", {"usable_password": "true", **fields})

    assert [answer.status_code for answer in (sign_up, change, add, reset)] == [200] * 4
    assert api.status_code == 422
    assert {error["field"] for error in api.json()["errors"]} == {"password"}
    assert User.objects.filter(email="new@example.com").exists() is False
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
    assert "all blanks" in sign_up.content.decode() or "cannot be seen" in sign_up.content.decode()


@pytest.mark.parametrize("bad", [*BLANK, HIDDEN[0]])
def test_the_command_refuses_it_too(bad: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", bad)

    with pytest.raises(CommandError, match="cannot be seen" if bad in HIDDEN else "all blanks"):
        call_command("createsuperuser", email="root@example.com", interactive=False, verbosity=0)
    assert User.objects.exists() is False


def test_the_length_is_that_of_what_is_hashed() -> None:
    """Count characters after composition: a decomposed letter is two before and one after."""
    with pytest.raises(ValidationError):
        passwords.MinimumLengthValidator(8).validate(unicodedata.normalize("NFD", "éàüñ"))
    passwords.MinimumLengthValidator(8).validate("éàüñéàüñ")


@pytest.mark.attack(45)
def test_a_wrong_password_costs_the_same_for_any_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count the hashes of a wrong password, including one that is tried in several forms."""
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    person("known@example.com")
    for wrong, most in (("wrong", 2), (DECOMPOSED, 4), (NO_BREAK, 6)):
        work: dict[str, Any] = {}
        for who in ("known", "nobody"):
            cache.clear()
            hashed.clear()
            assert not page(f"{who}@example.com", wrong)
            work[who] = len(hashed)

        assert work["known"] == work["nobody"] == most, wrong
