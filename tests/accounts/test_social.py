"""Sign-in with Google and GitHub. Attack cases 41 to 43."""

from __future__ import annotations

import html
import re
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.core import mail
from django.test import Client, override_settings

from accounts.models import ApiKey, Membership, User
from accounts.services import keys, teams
from tests.factories import PASSWORD, UserFactory
from tests.standins.oauth import Identity, OAuthStandIn
from tests.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
both = pytest.mark.parametrize("name", ["google", "github"])


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def go(address: str) -> str:
    """Follow the browser to the provider. Return the path that it is sent back to."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(_Stay).open(address, timeout=PATIENCE_S)
    assert refused.value.code == 302, refused.value.read()
    back = urlsplit(refused.value.headers["Location"])
    return f"{back.path}?{back.query}"


def to_provider(client: Client, name: str, *, process: str = "login", query: str = "") -> str:
    """Press the button. Return the provider's URL that the browser is sent to."""
    answer = client.post(f"/accounts/{name}/login/?process={process}{query}")
    assert answer.status_code == 302, answer.content
    return answer["Location"]


def sign_in(client: Client, name: str, **how: Any) -> Any:
    return client.get(go(to_provider(client, name, **how)))


def is_signed_in(client: Client) -> bool:
    return client.get("/api/v1/me/").status_code != 401


def person(email: str, *, verified: bool) -> User:
    user = UserFactory(email=email)
    EmailAddress.objects.create(user=user, email=email, verified=verified, primary=True)
    teams.create_personal_team(owner=user)
    return user


@both
def test_a_new_person_comes_in_with_a_team_and_no_password(provider: OAuthStandIn, name: str) -> None:
    client = Client()

    answer = sign_in(client, name)

    user = User.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, "/home/")
    assert (user.email, user.name, user.has_usable_password()) == ("grace@example.com", "Grace Hopper", False)
    assert Membership.objects.get(user=user).team.name == "Grace Hopper's team"
    assert SocialAccount.objects.values_list("provider", "uid").get() == (name, "1001")
    assert EmailAddress.objects.values_list("email", "verified", "primary").get() == ("grace@example.com", True, True)
    assert SocialToken.objects.count() == 0
    assert is_signed_in(client)
    assert provider.refusals == []


@both
def test_the_same_identity_is_the_same_person_whatever_its_address(provider: OAuthStandIn, name: str) -> None:
    sign_in(Client(), name)
    provider.identity = Identity(email="new-name@example.com")
    client = Client()

    sign_in(client, name)

    assert User.objects.get().email == "grace@example.com"
    assert client.get("/api/v1/me/").json()["email"] == "grace@example.com"


def test_the_provider_is_asked_with_a_challenge_a_state_and_nothing_too_much(provider: OAuthStandIn) -> None:
    asked = {key: values[0] for key, values in parse_qs(urlsplit(to_provider(Client(), "google")).query).items()}

    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 16
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert asked["redirect_uri"] == "http://testserver/accounts/google/login/callback/"


@pytest.mark.attack(41)
@both
@pytest.mark.parametrize("known", ["verified", "unverified"])
def test_an_unverified_address_of_a_provider_opens_no_account(provider: OAuthStandIn, name: str, known: str) -> None:
    victim = person("grace@example.com", verified=known == "verified")
    provider.identity = Identity(uid="666", is_verified=False, name="Mallory")
    client = Client()

    answer = sign_in(client, name)

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/confirm-email/")
    assert is_signed_in(client) is False
    assert SocialAccount.objects.count() == 0
    victim.refresh_from_db()
    assert victim.check_password(PASSWORD)


@pytest.mark.attack(41)
@both
def test_a_verified_address_does_not_open_the_account_of_who_proved_it_here(provider: OAuthStandIn, name: str) -> None:
    """Sign in with an unknown identity whose address has an account.

    Accounts are found by provider and uid only; the owner of the mailbox is told how to connect.
    """
    person("grace@example.com", verified=True)
    client = Client()

    answer = sign_in(client, name)

    assert answer["Location"] == "/accounts/confirm-email/"
    assert is_signed_in(client) is False
    assert SocialAccount.objects.count() == 0
    assert [message.to for message in mail.outbox] == [["grace@example.com"]]
    assert "Settings > Security" in str(mail.outbox[0].body)


@both
def test_an_unverified_new_address_must_be_confirmed_first(provider: OAuthStandIn, name: str) -> None:
    provider.identity = Identity(is_verified=False)
    client = Client()

    sign_in(client, name)

    assert is_signed_in(client) is False
    assert EmailAddress.objects.get().verified is False
    assert [message.to for message in mail.outbox] == [["grace@example.com"]]


@pytest.mark.attack(42)
@both
def test_whoever_registered_the_address_before_its_owner_keeps_nothing(provider: OAuthStandIn, name: str) -> None:
    """Claim an account: the attacker's password, session, identity, second address and key are void."""
    squatted = person("grace@example.com", verified=False)
    EmailAddress.objects.create(user=squatted, email="mallory@example.com")
    SocialAccount.objects.create(user=squatted, provider="github", uid="666")
    attacker = Client()
    attacker.force_login(squatted, backend=BACKEND)
    key, token = keys.create_key(team=squatted.teams.get(), actor=squatted, name="k", scopes=["runs:read"])
    by_key = {"Authorization": f"Bearer {token}"}
    assert is_signed_in(attacker)
    assert attacker.get("/api/v1/runs/", headers=by_key).status_code == 200
    victim = Client()

    sign_in(victim, name)

    assert is_signed_in(victim)
    assert User.objects.get() == squatted
    assert is_signed_in(attacker) is False
    assert Client().get("/api/v1/runs/", headers=by_key).status_code == 401
    assert ApiKey.objects.get(pk=key.pk).revoked_at is not None
    attacker.post("/accounts/login/", {"login": "grace@example.com", "password": PASSWORD})
    assert is_signed_in(attacker) is False
    provider.identity = Identity(uid="666", email="mallory@example.com")
    sign_in(attacker, "github")
    assert attacker.get("/api/v1/me/").json()["email"] == "mallory@example.com"
    assert EmailAddress.objects.filter(user=squatted).values_list("email", "verified").get() == (
        "grace@example.com",
        True,
    )


def test_an_operators_account_is_never_taken_over(provider: OAuthStandIn) -> None:
    operator = UserFactory(email="grace@example.com", is_staff=True)
    client = Client()

    sign_in(client, "google")

    assert is_signed_in(client) is False
    operator.refresh_from_db()
    assert operator.check_password(PASSWORD)


@pytest.mark.attack(43)
@both
@pytest.mark.parametrize("state", ["", "made-up-by-mallory"])
def test_a_callback_without_our_state_is_refused(provider: OAuthStandIn, name: str, state: str) -> None:
    """Return from the provider with a missing and an invented state."""
    client = Client()
    back = urlsplit(go(to_provider(client, name)))
    code = parse_qs(back.query)["code"][0]

    answer = client.get(f"{back.path}?code={code}&state={state}")

    assert answer.status_code == 401
    assert User.objects.count() == 0
    assert code in provider.codes  # no token request was made


@pytest.mark.attack(43)
@both
def test_a_callback_that_began_in_another_browser_is_refused(provider: OAuthStandIn, name: str) -> None:
    """Open a callback that belongs to a sign-in of another browser (login CSRF)."""
    back = go(to_provider(Client(), name))
    victim = Client()
    to_provider(victim, name)

    answer = victim.get(back)

    assert answer.status_code == 401
    assert is_signed_in(victim) is False
    assert User.objects.count() == 0


@pytest.mark.attack(43)
@both
def test_a_callback_works_once(provider: OAuthStandIn, name: str) -> None:
    """Replay a callback, in the same browser and in another one."""
    client = Client()
    back = go(to_provider(client, name))
    client.get(back)
    client.post("/accounts/logout/")

    answers = [client.get(back), Client().get(back)]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert is_signed_in(client) is False


@pytest.mark.attack(43)
@both
def test_connecting_cannot_be_finished_in_another_persons_session(provider: OAuthStandIn, name: str) -> None:
    """Begin to connect an identity in one session and finish in another person's."""
    mallory, victim = Client(), Client()
    mallory.force_login(person("mallory@example.com", verified=True), backend=BACKEND)
    victim.force_login(person("grace@example.com", verified=True), backend=BACKEND)
    back = go(to_provider(mallory, name, process="connect"))

    answer = victim.get(back)

    assert answer.status_code == 401
    assert SocialAccount.objects.count() == 0


def test_a_state_of_one_provider_is_nothing_to_another(provider: OAuthStandIn) -> None:
    client = Client()
    back = go(to_provider(client, "google"))

    answer = client.get(back.replace("/google/", "/github/"))

    assert answer.status_code == 401
    assert User.objects.count() == 0


def test_a_code_that_another_browser_asked_for_fails_at_the_provider(provider: OAuthStandIn) -> None:
    """Use a stolen code in another sign-in: its PKCE challenge differs."""
    stolen = parse_qs(urlsplit(go(to_provider(Client(), "google"))).query)["code"][0]
    client = Client()
    back = urlsplit(go(to_provider(client, "google")))
    state = parse_qs(back.query)["state"][0]

    answer = client.get(f"{back.path}?code={stolen}&state={state}")

    assert answer.status_code == 401
    assert provider.refusals == ["token: code_verifier"]
    assert User.objects.count() == 0


@pytest.mark.attack(43)
@pytest.mark.parametrize("target", ["//evil.test/", "https://evil.test/", "/\\evil.test", "javascript:alert(1)"])
def test_the_way_back_never_leads_elsewhere(provider: OAuthStandIn, target: str) -> None:
    answer = sign_in(Client(), "google", query=f"&next={target}")

    assert answer["Location"] == "/home/"


def test_who_stops_at_the_provider_is_told_that_nothing_happened(provider: OAuthStandIn) -> None:
    provider.identity = Identity(cancels=True)
    client = Client()

    answer = client.get(go(to_provider(client, "google")), follow=True)

    assert "Nothing has changed" in answer.content.decode()
    assert User.objects.count() == 0


def test_opening_the_address_of_a_button_leads_nowhere_yet(provider: OAuthStandIn) -> None:
    """Open the button's URL by GET, as a link on another site does: no sign-in starts."""
    answer = Client().get("/accounts/google/login/")

    assert answer.status_code == 200
    assert "Continue with Google" in answer.content.decode()


def test_a_link_cannot_ask_the_provider_for_more_than_we_do(provider: OAuthStandIn) -> None:
    """Name a scope in a link to our page. Its button does not pass the scope on."""
    page = Client().get("/accounts/github/login/?scope=repo&auth_params=prompt%3Dnone&next=/t/acme/").content.decode()

    target = re.search(r'<form [^>]*action="(/accounts/github/login/[^"]*)"', page)
    assert target is not None
    assert html.unescape(target[1]) == "/accounts/github/login/?process=login&next=%2Ft%2Facme%2F"


def test_a_provider_that_fails_leaves_nobody_with_an_error_page_of_ours(provider: OAuthStandIn) -> None:
    client = Client()
    back = go(to_provider(client, "github"))
    provider.codes.clear()

    answer = client.get(back)

    assert answer.status_code == 401
    assert "Please try again" in answer.content.decode()


def test_buttons_are_there_only_for_configured_providers(provider: OAuthStandIn) -> None:
    page = Client().get("/accounts/login/").content.decode()
    assert page.count("Continue with") == 2

    with override_settings(SOCIALACCOUNT_PROVIDERS={}):
        page = Client().get("/accounts/login/").content.decode()
        addresses = [f"/accounts/{name}/login/{end}" for name in ("google", "github") for end in ("", "callback/")]
        answers = [Client().get(address).status_code for address in addresses]

    assert "Continue with" not in page
    assert answers == [404] * 4


def test_the_one_tap_address_that_no_page_of_ours_uses_is_closed(provider: OAuthStandIn) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies["g_csrf_token"] = "mine"

    answer = client.post("/accounts/google/login/token/", {"g_csrf_token": "mine", "credential": "x.y.z"})

    assert answer.status_code == 404


def test_the_policy_lets_the_buttons_lead_to_the_providers_only(provider: OAuthStandIn) -> None:
    policy = Client().get("/accounts/login/")["Content-Security-Policy"]

    target = next(part.strip() for part in policy.split(";") if part.strip().startswith("form-action"))
    assert set(target.split()[1:]) == {"'self'", provider.url}


@both
def test_a_provider_is_what_the_settings_say_whatever_is_in_the_database(client: Client, name: str) -> None:
    SocialApp.objects.create(provider=name, name="Another", client_id="another", secret="hidden")

    asked = client.post(f"/accounts/{name}/login/")

    assert asked.status_code == 302
    assert "client_id=another" not in asked["Location"]
