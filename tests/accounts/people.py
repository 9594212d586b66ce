"""Helpers: people who can sign in, their browsers, and the codes of their authenticator app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time
from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.test import Client

from accounts.models import User
from accounts.services import teams
from accounts.services.one_time_codes import USED_STEP
from tests.factories import PASSWORD, UserFactory

SIGN_IN = "/accounts/login/"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 Version/18.6 Mobile Safari/604.1"


def person(email: str = "grace@example.com", *, verified: bool = True, **given: Any) -> User:
    """Create a person with an email address and a personal team."""
    user = UserFactory(email=email, **given)
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    teams.create_personal_team(owner=user)
    return user


def browser(user: User | None = None, *, password: str = PASSWORD, agent: str = FIREFOX, **headers: str) -> Client:
    """Return a browser that has signed in on our page. An account with a second factor stops before that step."""
    client = Client(headers={"User-Agent": agent} | headers)
    if user is not None:
        answer = client.post(SIGN_IN, {"login": user.email, "password": password})
        assert answer.status_code == 302, answer.content
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/api/v1/me/").status_code != 401


def confirmed(client: Client, path: str, password: str = PASSWORD) -> Any:
    """Open a page that asks for reauthentication, confirm with the password, and return the page."""
    asked = client.get(path)
    assert asked.status_code == 302, asked.content
    assert asked["Location"].startswith("/accounts/reauthenticate/"), asked["Location"]
    answer = client.post(asked["Location"], {"password": password})
    assert (answer.status_code, answer["Location"]) == (302, path)
    return client.get(path)


def forget_used_codes() -> None:
    """Make the authenticator codes of the present half minute usable again, which setting up has spent."""
    cache.clear()
    for factor in Authenticator.objects.filter(type=Authenticator.Type.TOTP):
        factor.data.pop(USED_STEP, None)
        factor.save()


def totp(secret: str, at: float | None = None) -> str:
    """Return the six digits that an authenticator app shows at that time (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time() if at is None else at) // 30)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    start = digest[-1] & 15
    number = struct.unpack(">I", digest[start : start + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06}"
