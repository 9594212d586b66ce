"""Spellings of a mailbox: they are one address at every entry point."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib import import_module
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.core import mail
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import emails
from accounts.models import Invitation, Membership, Role, Team, User
from accounts.services import invitations
from tasks.services.approvers import why_barred
from tests.accounts.people import SIGN_IN, confirmed, is_signed_in, person
from tests.accounts.test_social import sign_in as sign_in_at
from tests.calling import api_of
from tests.factories import PASSWORD, AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, UserFactory
from tests.standins.oauth import Identity, OAuthStandIn

pytestmark = pytest.mark.django_db
ANN = "ann.lee@example.com"


def wide(text: str) -> str:
    """Return the text in full-width letters, as a Japanese input method writes it."""
    return "".join(chr(ord(char) + 0xFEE0) for char in text)


SPELLINGS = [
    "Ann.Lee@Example.COM",
    " ann.lee@example.com ",
    "ann.lee@example.com\u200b",
    "\ufeffann.lee@example.com\u00a0",
    "\u2066ann.lee@example.com\u2069",
    f"ann.lee@{wide('example')}.com",
    f"{wide('ann')}.lee{wide('@')}example.com",
    '"ann.lee"@example.com',
    "ann.lee@example。com",
]
REFUSED = [
    "ann\u200b.lee@example.com",
    "ann.lee@exam\u200bple.com",
    "ann.lee@exam\u00adple.com",
    "ann\u202e.lee@example.com",
    "ann.lee\x00@example.com",
    "änn@example.com",
    "ann.lee@☃.example",
    "ann.lee@exam\u200cple.com",
    '"ann lee"@example.com',
    "ann.lee@",
    "ann.lee",
    "",
    f"{'a' * 250}@example.com",
]
IN_PERSIAN = "ann@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.example"
NEW = {"password1": PASSWORD}


@pytest.mark.parametrize("typed", SPELLINGS)
def test_a_mailbox_has_one_spelling(typed: str) -> None:
    assert emails.normalise(typed) == ANN
    assert emails.normalise(emails.normalise(typed)) == ANN


@pytest.mark.parametrize("typed", REFUSED)
def test_what_cannot_be_typed_or_mailed_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        emails.normalise(typed)


@pytest.mark.parametrize(
    ("typed", "spelled"),
    [
        ("Ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@bu\u0308cher.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@faß.example", "ann@xn--fa-hia.example"),
        (IN_PERSIAN, "ann@xn--mgba3gch31f060k.example"),
        ("\u212aelvin@example.com", "kelvin@example.com"),
        ("ann+desk@example.com", "ann+desk@example.com"),
    ],
)
def test_domains_are_spelled_as_mail_is_sent_to_them(typed: str, spelled: str) -> None:
    assert emails.normalise(typed) == spelled


@pytest.mark.attack(45)
@pytest.mark.parametrize("typed", SPELLINGS)
@pytest.mark.parametrize("door", ["page", "api"])
def test_no_spelling_makes_a_second_account(door: str, typed: str) -> None:
    person(ANN)

    if door == "page":
        answer = Client().post("/accounts/signup/", NEW | {"email": typed})
        assert answer.status_code == 302
    else:
        body = {"email": typed, "password": PASSWORD}
        assert Client().post("/api/v1/auth/sign-up/", body, content_type="application/json").status_code == 202

    assert [user.email for user in User.objects.all()] == [ANN]
    assert [message.to for message in mail.outbox] == [[ANN]]
    assert "There is one already" in str(mail.outbox[0].body)


@pytest.mark.parametrize("door", ["page", "api", "invitation", "admin", "command", "add"])
@pytest.mark.parametrize("typed", SPELLINGS[:5] + REFUSED[:2])
def test_every_door_writes_the_one_spelling(door: str, typed: str, team: Team, alice: User) -> None:
    """Store the canonical spelling or refuse. The command refuses spaces, because it trims nothing."""
    found = DOORS[door](typed, team, alice)

    expected = [ANN] if typed in SPELLINGS else []
    assert found == expected or (door, found) == ("command", [])


def _others(alice: User) -> list[str]:
    return [user.email for user in User.objects.exclude(pk=alice.pk)]


def by_page(typed: str, team: Team, alice: User) -> list[str]:
    Client().post("/accounts/signup/", NEW | {"email": typed})
    assert [address.email for address in EmailAddress.objects.all()] == _others(alice)
    return _others(alice)


def by_api(typed: str, team: Team, alice: User) -> list[str]:
    body = {"email": typed, "password": PASSWORD}
    answer = Client().post("/api/v1/auth/sign-up/", body, content_type="application/json")
    assert answer.status_code == (202 if typed in SPELLINGS else 422)
    return _others(alice)


def by_invitation(typed: str, team: Team, alice: User) -> list[str]:
    answer = api_of(alice, team).send("POST", "/api/v1/teams/acme/invitations/", {"email": typed, "role": "member"})
    assert answer.status_code == (201 if typed in SPELLINGS else 422)
    return [invitation.email for invitation in Invitation.objects.all()]


def by_admin(typed: str, team: Team, alice: User) -> list[str]:
    alice.is_staff = alice.is_superuser = True
    alice.save()
    client = Client()
    client.force_login(alice)
    fields = {"email": typed, "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/admin/accounts/user/add/", fields)
    assert [address.email for address in EmailAddress.objects.all()] == _others(alice)
    return _others(alice)


def by_command(typed: str, team: Team, alice: User) -> list[str]:
    with suppress(CommandError):
        call_command("createsuperuser", email=typed, interactive=False, verbosity=0)
    return _others(alice)


def by_adding(typed: str, team: Team, alice: User) -> list[str]:
    EmailAddress.objects.create(user=alice, email=alice.email, verified=True, primary=True)
    client = Client()
    client.post(SIGN_IN, {"login": alice.email, "password": PASSWORD})
    confirmed(client, "/accounts/2fa/totp/activate/")
    client.post("/accounts/email/", {"action_add": "", "email": typed})
    return [address.email for address in EmailAddress.objects.exclude(email=alice.email)]


DOORS: dict[str, Any] = {
    "page": by_page,
    "api": by_api,
    "invitation": by_invitation,
    "admin": by_admin,
    "command": by_command,
    "add": by_adding,
}


@pytest.mark.parametrize("typed", SPELLINGS)
def test_every_spelling_signs_in(typed: str) -> None:
    person(ANN)
    page = Client()

    page.post(SIGN_IN, {"login": typed, "password": PASSWORD})
    token = Client().post(
        "/api/v1/auth/token/", {"email": typed, "password": PASSWORD}, content_type="application/json"
    )

    assert is_signed_in(page)
    assert token.status_code == 200


@pytest.mark.attack(44)
@pytest.mark.parametrize("typed", SPELLINGS)
def test_a_reset_goes_to_the_address_as_the_account_has_it(typed: str) -> None:
    person(ANN)

    Client().post("/accounts/password/reset/", {"email": typed})

    assert [message.to for message in mail.outbox] == [[ANN]]
    assert re.search("/accounts/password/reset/key/", str(mail.outbox[0].body))


def test_an_identity_brings_its_address_in_the_one_spelling(provider: OAuthStandIn) -> None:
    provider.identity = Identity(email="Ann@BÜCHER.example")

    sign_in_at(Client(), "google")

    assert User.objects.get().email == EmailAddress.objects.get().email == "ann@xn--bcher-kva.example"


def test_an_approver_is_named_in_any_spelling(team: Team) -> None:
    """Name an agent's approver in another spelling. A plain comparison would leave nobody who can approve."""
    bob = MembershipFactory(team=team, user=person("bob@xn--bcher-kva.example")).user
    agent = AgentFactory(team=team, version__options={"approvers": ["Bob@BÜCHER.example"]})
    asked = HumanRequestFactory(run=RunFactory(agent=agent), kind="approval")

    assert why_barred(asked, asked.run, bob) == ""
    assert "bob@xn--bcher-kva.example" in why_barred(asked, asked.run, person("eve@xn--bcher-kva.example"))


# ---- Accounts that are older than the canonical spelling


@pytest.fixture
def older() -> User:
    """Person whose address was stored before spellings were canonical; nobody can type it."""
    user = UserFactory(email="ann.lee@example.com\u200b")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


def respell() -> None:
    import_module("accounts.migrations.0010_one_spelling_of_addresses").respell(apps, None)


def test_an_older_account_is_found_by_the_address_that_people_type(older: User) -> None:
    respell()

    older.refresh_from_db()
    assert older.email == EmailAddress.objects.get().email == ANN
    client = Client()
    client.post(SIGN_IN, {"login": ANN, "password": PASSWORD})
    assert is_signed_in(client)


def test_of_two_accounts_of_one_mailbox_both_still_sign_in(older: User) -> None:
    newer = person(ANN, password="the newer one's")
    respell()
    first, second, third = Client(), Client(), Client()

    first.post(SIGN_IN, {"login": ANN, "password": "the newer one's"})
    second.post(SIGN_IN, {"login": "ann.lee@example.com\u200b", "password": PASSWORD})
    third.post(SIGN_IN, {"login": ANN, "password": PASSWORD})
    token = Client().post(
        "/api/v1/auth/token/",
        {"email": "ann.lee@example.com\u200b", "password": PASSWORD},
        content_type="application/json",
    )

    older.refresh_from_db()
    assert (older.email, newer.email) == ("ann.lee@example.com\u200b", ANN)
    assert [is_signed_in(client) for client in (first, second, third)] == [True, True, False]
    assert token.status_code == 200
    assert Client().post("/accounts/password/reset/", {"email": older.email}).status_code == 302
    assert mail.outbox[-1].to == [older.email]


def test_what_is_spelled_right_is_left_alone_and_running_it_twice_changes_nothing(team: Team, alice: User) -> None:
    bob = UserFactory(email="Bob@BÜCHER.example")
    EmailAddress.objects.create(user=bob, email="bob@bücher.example", verified=True)
    sent = invitations.invite(team=team, actor=alice, email="new@example.com", role=Role.MEMBER)
    Invitation.objects.filter(pk=sent.pk).update(email="new@example.com\u200b")

    for _ in range(2):
        respell()

        assert set(User.objects.values_list("email", flat=True)) == {alice.email, "bob@xn--bcher-kva.example"}
        assert EmailAddress.objects.get().email == "bob@xn--bcher-kva.example"
        assert Invitation.objects.get().email == "new@example.com"


def test_an_invitation_to_another_spelling_is_for_the_person(team: Team, alice: User) -> None:
    sent = invitations.invite(team=team, actor=alice, email="bob@bücher.example", role=Role.MEMBER)
    bob = person("bob@xn--bcher-kva.example")

    invitations.accept(invitation=sent, user=bob)

    assert Membership.objects.filter(team=team, user=bob).exists()
