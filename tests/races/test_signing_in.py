"""Sign-ins with the same identity or code from several browsers at one moment."""

from __future__ import annotations

import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from allauth.socialaccount.models import SocialAccount
from django.test import Client

from accounts.models import Membership, User
from config.cache import ForgivingRedisCache
from tests.accounts.people import SIGN_IN, is_signed_in, person, totp
from tests.accounts.test_social import go, to_provider
from tests.factories import PASSWORD
from tests.races.concurrency import at_once
from tests.standins.oauth import OAuthStandIn

pytestmark = pytest.mark.usefixtures("transactional_db")
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
STEP = "/accounts/2fa/authenticate/"


def test_an_identity_that_arrives_many_times_at_once_is_one_person(provider: OAuthStandIn) -> None:
    clients = [Client() for _ in range(6)]
    ends = [go(to_provider(client, "google")) for client in clients]

    said = at_once(6, lambda n: clients[n].get(ends[n]).status_code)

    assert set(said) <= {302, 409}, said
    assert (User.objects.count(), Membership.objects.count(), SocialAccount.objects.count()) == (1, 1, 1)
    assert any(is_signed_in(client) for client in clients)


@pytest.mark.parametrize("valkey", ["there", "away"])
@pytest.mark.parametrize("kind", ["app", "recovery"])
def test_a_code_in_many_browsers_at_once_opens_one(kind: str, valkey: str, monkeypatch: pytest.MonkeyPatch) -> None:
    user = person()
    TOTP.activate(user, SECRET)
    code = RecoveryCodes.activate(user).generate_codes()[0]
    clients = [Client() for _ in range(4)]
    for client in clients:
        client.post(SIGN_IN, {"login": user.email, "password": PASSWORD})
    given = {"code": totp(SECRET) if kind == "app" else code}

    if valkey == "away":
        monkeypatch.setattr(ForgivingRedisCache, "_retry_at", time.monotonic() + 3600)
    said = at_once(4, lambda n: clients[n].post(STEP, given).status_code)
    monkeypatch.undo()

    assert sorted(said) == [200, 200, 200, 302]
    assert [is_signed_in(client) for client in clients].count(True) == 1
    assert Authenticator.objects.count() == 2
