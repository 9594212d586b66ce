"""Two-step sign-in with authenticator app and recovery codes. Passkeys: tests/e2e/test_sign_in.py."""

from __future__ import annotations

import html
import json
import re
import time
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken
from django.core import mail
from django.core.cache import cache
from django.test import Client, override_settings

from accounts import crypto
from accounts.models import AuditEntry, User
from tests.accounts.people import SIGN_IN, browser, confirmed, forget_used_codes, is_signed_in, person, totp
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
ACTIVATE, STEP = "/accounts/2fa/totp/activate/", "/accounts/2fa/authenticate/"

_RESPONSES: list[Any] = [
    None,
    [],
    "x",
    {},
    {"clientDataJSON": "!", "attestationObject": "eA"},
    {
        "clientDataJSON": "e30",
        "attestationObject": "oA",
        "authenticatorData": "eA",
        "signature": "",
        "userHandle": None,
    },
    dict.fromkeys(["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"], "eA"),
]
MADE_UP = ["", "null", "[]", "{}", "1", '"x"', '{"id": 1}', '{"id":"x","rawId":"%","response":{}}'] + [
    json.dumps({"id": "eA", "rawId": "eA", "type": "public-key", "response": response}) for response in _RESPONSES
]


@pytest.fixture
def grace() -> User:
    return person()


def switch_on(client: Client) -> tuple[str, list[str]]:
    """Set up the authenticator app. Return its secret and the recovery codes that are shown afterwards."""
    page = confirmed(client, ACTIVATE).content.decode()
    found = re.search(r"data-secret>([A-Z2-7]{32})<", page)
    assert found is not None
    answer = client.post(ACTIVATE, {"code": totp(found[1])})
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/recovery-codes/")
    return found[1], codes_on(client.get(answer["Location"]))


def codes_on(answer: Any) -> list[str]:
    found = re.search(r"<pre [^>]*data-once>([^<]*)</pre>", answer.content.decode())
    return found[1].split() if found else []


def at_the_second_step(user: User) -> Client:
    forget_used_codes()  # setting it up has spent the code of this half minute
    client = Client()
    answer = client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    assert answer["Location"] == STEP
    return client


def test_the_password_alone_opens_nothing_any_more(grace: User) -> None:
    secret, _ = switch_on(browser(grace))
    client = at_the_second_step(grace)

    before = is_signed_in(client)
    wrong = client.post(STEP, {"code": "000000"})
    still = is_signed_in(client)
    right = client.post(STEP, {"code": totp(secret)})

    assert (before, wrong.status_code, still) == (False, 200, False)
    assert "That did not match" in wrong.content.decode()
    assert (right.status_code, right["Location"]) == (302, "/home/")
    assert is_signed_in(client)


def test_a_code_of_the_app_works_once(grace: User) -> None:
    secret, _ = switch_on(browser(grace))
    first = at_the_second_step(grace)
    second = Client()
    second.post(SIGN_IN, {"login": grace.email, "password": PASSWORD})
    code = totp(secret)

    first.post(STEP, {"code": code})
    second.post(STEP, {"code": code})

    assert (is_signed_in(first), is_signed_in(second)) == (True, False)


def test_the_code_that_switched_it_on_does_not_sign_in(grace: User) -> None:
    client = browser(grace)
    page = confirmed(client, ACTIVATE).content.decode()
    secret = re.search(r"data-secret>([A-Z2-7]{32})<", page)[1]  # type: ignore[index]
    now = time.time()
    code = totp(secret, now)
    assert client.post(ACTIVATE, {"code": code}).status_code == 302

    stranger = Client()
    stranger.post(SIGN_IN, {"login": grace.email, "password": PASSWORD})
    again = stranger.post(STEP, {"code": code})
    spaced = stranger.post(STEP, {"code": f"{code[:3]} {code[3:]}"})

    assert (again.status_code, spaced.status_code, is_signed_in(stranger)) == (200, 200, False)
    stranger.post(STEP, {"code": totp(secret, now + 30)})  # the next code of the app, which the tests' tolerance takes
    assert is_signed_in(stranger)


def test_a_code_works_once_while_valkey_has_forgotten_it(grace: User) -> None:
    """Repeat a code on the sign-in page, the API and the reauthentication page."""
    secret, _ = switch_on(browser(grace))
    client = at_the_second_step(grace)
    code = totp(secret)
    client.post(STEP, {"code": code})
    assert is_signed_in(client)

    cache.clear()
    second = Client()
    second.post(SIGN_IN, {"login": grace.email, "password": PASSWORD})
    second.post(STEP, {"code": code})
    cache.clear()
    token = Client().post(
        "/api/v1/auth/token/",
        {"email": grace.email, "password": PASSWORD, "code": code},
        content_type="application/json",
    )
    cache.clear()
    asked = client.post("/accounts/2fa/reauthenticate/", {"code": code})

    assert is_signed_in(second) is False
    assert (token.status_code, token.json()["code"]) == (401, "invalid_credentials")
    assert "That did not match" in asked.content.decode()


def test_an_older_code_is_refused_after_a_newer_one(grace: User) -> None:
    secret, _ = switch_on(browser(grace))
    client = at_the_second_step(grace)
    now = time.time()
    client.post(STEP, {"code": totp(secret, now)})
    assert is_signed_in(client)

    cache.clear()
    second = Client()
    second.post(SIGN_IN, {"login": grace.email, "password": PASSWORD})
    second.post(STEP, {"code": totp(secret, now - 30)})

    assert is_signed_in(second) is False


def test_guessing_codes_is_stopped(grace: User) -> None:
    secret, _ = switch_on(browser(grace))
    client = at_the_second_step(grace)

    for n in range(5):
        client.post(STEP, {"code": f"00000{n}"}, headers={"X-Forwarded-For": f"10.0.0.{n}"})
    answer = client.post(STEP, {"code": totp(secret)}, headers={"X-Forwarded-For": "10.0.1.1"})

    assert "Too many tries" in answer.content.decode()
    assert is_signed_in(client) is False


def test_recovery_codes_are_shown_once_and_work_once(grace: User) -> None:
    owner = browser(grace)
    _, codes = switch_on(owner)
    again = owner.get("/accounts/2fa/recovery-codes/")
    assert len(set(codes)) == 10
    assert codes_on(again) == []
    assert "10 of 10 are left" in again.content.decode()
    assert owner.get("/accounts/2fa/recovery-codes/download/").status_code == 403

    first, second = at_the_second_step(grace), at_the_second_step(grace)
    first.post(STEP, {"code": codes[0]})
    second.post(STEP, {"code": codes[0]})

    assert (is_signed_in(first), is_signed_in(second)) == (True, False)
    page = owner.get(f"/t/{grace.teams.get().slug}/settings/security/").content.decode()
    assert "9 of 10 left" in page


def test_new_recovery_codes_void_the_old_ones(grace: User) -> None:
    owner = browser(grace)
    _, old = switch_on(owner)

    answer = owner.post("/accounts/2fa/recovery-codes/generate/")
    new = codes_on(owner.get(answer["Location"]))

    assert len(set(new) - set(old)) == 10
    client = at_the_second_step(grace)
    client.post(STEP, {"code": old[0]})
    assert is_signed_in(client) is False
    client.post(STEP, {"code": new[0]})
    assert is_signed_in(client)


def test_secrets_are_not_readable_in_the_database(grace: User) -> None:
    secret, codes = switch_on(browser(grace))

    kept = json.dumps(list(Authenticator.objects.values_list("data", flat=True)))

    assert secret not in kept
    assert not any(code in kept for code in codes)
    assert crypto.decrypt(Authenticator.objects.get(type="totp").data["secret"]) == secret


def test_old_encryption_keys_still_read() -> None:
    first, second = (Fernet.generate_key().decode() for _ in range(2))
    with override_settings(ENCRYPTION_KEYS=[first]):
        kept = crypto.encrypt("secret")

    with override_settings(ENCRYPTION_KEYS=[second, first]):
        assert crypto.decrypt(kept) == "secret"
    with override_settings(ENCRYPTION_KEYS=[second]), pytest.raises(InvalidToken):
        crypto.decrypt(kept)


@pytest.mark.parametrize(
    "path",
    [
        ACTIVATE,
        "/accounts/2fa/webauthn/add/",
        "/accounts/2fa/recovery-codes/generate/",
    ],
)
def test_changing_how_one_signs_in_asks_once_more_who_it_is(grace: User, path: str) -> None:
    client = Client()
    client.force_login(grace, backend="django.contrib.auth.backends.ModelBackend")

    answers = [client.get(path), client.post(path, {"code": "123456", "credential": "{}"})]

    assert [answer["Location"].partition("?")[0] for answer in answers] == ["/accounts/reauthenticate/"] * 2
    assert Authenticator.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_switching_off_tells_the_person_and_the_teams(grace: User) -> None:
    owner = browser(grace)
    switch_on(owner)
    mail.outbox.clear()

    answer = owner.post("/accounts/2fa/totp/deactivate/")

    assert answer.status_code == 302
    assert Authenticator.objects.count() == 0
    assert [message.to for message in mail.outbox] == [[grace.email]]
    actions = AuditEntry.objects.filter(action__startswith="person.").order_by("id")
    assert [(entry.action, entry.data["factor"]) for entry in actions if "factor" in entry.data] == [
        ("person.factor_added", "totp"),
        ("person.factor_added", "recovery_codes"),
        ("person.factor_removed", "totp"),
        ("person.factor_removed", "recovery_codes"),
    ]


def test_who_has_not_proved_the_address_cannot_lock_its_owner_out() -> None:
    client = Client()
    client.force_login(person(verified=False), backend="django.contrib.auth.backends.ModelBackend")

    answer = client.get(ACTIVATE, follow=True)

    assert "Confirm your email address first" in html.unescape(answer.content.decode())
    assert Authenticator.objects.count() == 0


@pytest.mark.parametrize("credential", MADE_UP)
def test_a_made_up_passkey_is_refused_in_words(grace: User, credential: str) -> None:
    owner = browser(grace)
    confirmed(owner, "/accounts/2fa/webauthn/add/")
    stranger = Client()
    stranger.get("/accounts/2fa/webauthn/login/", headers={"Accept": "application/json"})

    added = owner.post("/accounts/2fa/webauthn/add/", {"name": "Mine", "credential": credential})
    came = stranger.post("/accounts/2fa/webauthn/login/", {"credential": credential})

    assert (added.status_code, came.status_code) == (200, 302)
    assert Authenticator.objects.count() == 0
    assert is_signed_in(stranger) is False


def test_resetting_the_password_does_not_go_round_the_second_step(grace: User) -> None:
    switch_on(browser(grace))
    mail.outbox.clear()
    client = Client()
    client.post("/accounts/password/reset/", {"email": grace.email})
    found = re.search(r"https?://[^/\s]+(/\S+)", str(mail.outbox[0].body))
    assert found is not None

    form = client.get(found[1])["Location"]
    answer = client.post(form, dict.fromkeys(["password1", "password2"], "a brand new secret"))

    assert answer["Location"] == STEP
    assert is_signed_in(client) is False
