"""Security settings: sessions, connected accounts, and when they end. Attack case 47."""

from __future__ import annotations

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts import sockets
from accounts.devices import device_name
from accounts.models import ApiKey, AuditEntry, Membership, Role, TokenFamily, User
from accounts.services import keys
from accounts.services.tokens import family_of_access, issue_pair
from accounts.sockets import Caller
from tests.accounts.people import FIREFOX, IPHONE, SIGN_IN, browser, confirmed, is_signed_in, person
from tests.accounts.test_social import go, sign_in, to_provider
from tests.factories import PASSWORD, MembershipFactory, TeamFactory
from tests.html import Page
from tests.standins.oauth import Identity, OAuthStandIn

pytestmark = pytest.mark.django_db
NEW = "a brand new secret"


@pytest.fixture
def grace() -> User:
    return person()


@pytest.fixture
def page(grace: User) -> str:
    return f"/t/{grace.teams.get().slug}/settings/security/"


def caller(client: Client, user: User) -> Caller:
    """Return the caller of that browser's open socket, as the hub knows it."""
    user.refresh_from_db()
    key = client.session.session_key or ""
    return Caller(user_id=user.pk, password_mark=sockets.password_mark(user), session_key=key)


def key_of(user: User) -> tuple[ApiKey, dict[str, str]]:
    key, token = keys.create_key(team=user.teams.get(), actor=user, name="k", scopes=["runs:read"])
    return key, {"Authorization": f"Bearer {token}"}


def test_every_session_is_shown_with_its_device(grace: User, page: str) -> None:
    here = browser(grace)
    browser(grace, agent=IPHONE)

    text = here.get(page).content.decode()

    assert "Firefox on Linux" in text
    assert "Safari on iPhone" in text
    assert text.count("127.0.0.1, last seen") == 2
    assert text.count("This one") == 1


def test_a_session_is_noted_where_it_was_seen_last(grace: User, page: str) -> None:
    here = browser(grace)
    before = timezone.now()
    UserSession.objects.update(last_seen_at=before - timedelta(days=1), ip="10.1.1.1")
    cache.clear()

    here.get(page)
    seen = UserSession.objects.get()
    here.get(page)

    assert seen.last_seen_at >= before
    assert seen.ip == "127.0.0.1"
    assert UserSession.objects.get().last_seen_at == seen.last_seen_at


def test_one_session_is_ended_with_its_socket(grace: User, page: str) -> None:
    here, phone = browser(grace), browser(grace, agent=IPHONE)
    socket = caller(phone, grace)
    assert sockets.callers_team_ids(socket) != []
    of_phone = UserSession.objects.get(user_agent=IPHONE)

    answer = here.post(f"{page}sessions/{of_phone.pk}/end/")

    assert (answer.status_code, answer["Location"]) == (302, page)
    assert (is_signed_in(here), is_signed_in(phone)) == (True, False)
    assert sockets.callers_team_ids(socket) == []
    assert here.post(f"{page}sessions/{of_phone.pk}/end/").status_code == 404
    assert [entry.data for entry in AuditEntry.objects.filter(action="session.ended", actor=grace)] == [{"count": 1}]


def test_all_others_are_ended_at_once(grace: User, page: str) -> None:
    here, others = browser(grace), [browser(grace, agent=IPHONE) for _ in range(2)]

    answer = here.post(f"{page}sessions/end-others/")

    assert answer.status_code == 302
    assert [is_signed_in(client) for client in (here, *others)] == [True, False, False]
    assert Session.objects.count() == 1
    assert [entry.data for entry in AuditEntry.objects.filter(action="session.ended", actor=grace)] == [{"count": 2}]


def test_sign_ins_over_the_api_are_shown_and_ended_one_by_one(grace: User, page: str) -> None:
    here, hostile = browser(grace), "<b>robot</b>/2.1 \x1b[31m"
    ours, robot = (issue_pair(user=grace, user_agent=agent) for agent in ("curl/8.5.0", hostile))
    issue_pair(user=person("ada@example.com"), user_agent="theirs/1.0")
    by_robot = TokenFamily.objects.get(user_agent=hostile)

    shown = Page(here.get(page).text)
    answer = here.post(f"{page}clients/{by_robot.pk}/end/")

    assert shown.problems() == []
    text = " ".join(shown.text.split())
    assert "curl API" in text
    assert "<b>robot</b>/2.1 API" in text
    assert "theirs/1.0" not in text
    assert "Sessions 3" in text
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert family_of_access(robot.access) is None
    assert family_of_access(ours.access) is not None
    assert "robot" not in here.get(page).text
    assert here.post(f"{page}clients/{by_robot.pk}/end/").status_code == 404
    entry = AuditEntry.objects.get(action="session.ended", actor=grace)
    assert entry.data == {"count": 1, "by": "token"}


def test_all_others_includes_the_clients_of_the_api(grace: User, page: str) -> None:
    here, pair = browser(grace), issue_pair(user=grace, user_agent="curl/8.5.0")

    assert "Sign out all other sessions" in here.get(page).text
    answer = here.post(f"{page}sessions/end-others/", follow=True)

    assert "Signed out in 1 other place." in answer.text
    assert (is_signed_in(here), family_of_access(pair.access)) == (True, None)
    assert "Sign out all other sessions" not in answer.text
    assert AuditEntry.objects.get(action="session.ended", actor=grace).data == {"count": 1}


def test_tokens_that_are_good_no_more_are_not_listed(grace: User, page: str) -> None:
    for agent in ("expired/1", "revoked/1", "before/1"):
        issue_pair(user=grace, user_agent=agent)
    families = TokenFamily.objects
    families.filter(user_agent="expired/1").update(expires_at=timezone.now())
    families.filter(user_agent="revoked/1").update(revoked_at=timezone.now())
    families.filter(user_agent="before/1").update(session_hash="of another password")

    assert "Sessions 1" in " ".join(Page(browser(grace).get(page).text).text.split())


def test_somebody_elses_client_is_none_of_yours(grace: User, page: str) -> None:
    pair = issue_pair(user=person("ada@example.com"))

    answer = browser(grace).post(f"{page}clients/{TokenFamily.objects.get().pk}/end/")

    assert answer.status_code == 404
    assert family_of_access(pair.access) is not None


def test_somebody_elses_session_is_none_of_yours(grace: User, page: str) -> None:
    other = browser(person("ada@example.com"))
    theirs = UserSession.objects.get()

    answer = browser(grace).post(f"{page}sessions/{theirs.pk}/end/")

    assert answer.status_code == 404
    assert is_signed_in(other)


@pytest.mark.attack(47)
def test_a_changed_password_ends_every_other_session_and_socket_and_no_key(grace: User) -> None:
    here, phone = browser(grace), browser(grace, agent=IPHONE)
    sockets_before = [caller(here, grace), caller(phone, grace)]
    _, by_key = key_of(grace)
    mail.outbox.clear()

    answer = here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})

    assert answer.status_code == 302, answer.content
    assert (is_signed_in(here), is_signed_in(phone)) == (True, False)
    assert [sockets.callers_team_ids(socket) for socket in sockets_before] == [[], []]
    assert UserSession.objects.count() == 1
    assert Client().get("/api/v1/runs/", headers=by_key).status_code == 200
    assert [message.to for message in mail.outbox] == [[grace.email]]
    assert AuditEntry.objects.filter(action="person.password_changed").count() == 1


@pytest.mark.attack(47)
def test_disabling_a_person_ends_sessions_sockets_and_keys(grace: User) -> None:
    here = browser(grace)
    socket = caller(here, grace)
    key, by_key = key_of(grace)
    assert Client().get("/api/v1/runs/", headers=by_key).status_code == 200
    operator = person("root@example.com", is_staff=True, is_superuser=True)

    fields = {"email": grace.email, "name": grace.name, "hue": grace.hue}  # no is_active: the box is not ticked
    answer = browser(operator).post(f"/admin/accounts/user/{grace.pk}/change/", fields)

    assert answer.status_code == 302, answer.content
    assert is_signed_in(here) is False
    assert sockets.callers_team_ids(socket) == []
    assert Client().get("/api/v1/runs/", headers=by_key).status_code == 401
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert UserSession.objects.filter(user=grace).count() == 0
    assert is_signed_in(browser()) is False
    again = Client()
    again.post(SIGN_IN, {"login": grace.email, "password": PASSWORD})
    assert is_signed_in(again) is False


def test_an_account_is_not_switched_off_while_a_team_of_others_has_no_other_owner(grace: User) -> None:
    operator = browser(person("root@example.com", is_staff=True, is_superuser=True))
    teams = [TeamFactory(name=name) for name in ("Acme", "Birch", "Cedar", "Alone")]
    for team in teams:
        MembershipFactory(team=team, user=grace, role=Role.OWNER)
    for team in teams[:3]:
        MembershipFactory(team=team, role=Role.ADMIN)
    for team, is_active in zip(teams[1:], (False, True, False), strict=True):
        MembershipFactory(team=team, role=Role.OWNER, user__is_active=is_active)
    here, name = browser(grace), grace.name
    fields = {"email": grace.email, "name": "Grace H.", "hue": grace.hue}

    refused = operator.post(f"/admin/accounts/user/{grace.pk}/change/", fields)

    assert "Others work in Acme and Birch and would have no owner who can sign in." in refused.text
    grace.refresh_from_db()
    assert (grace.is_active, grace.name, is_signed_in(here)) == (True, name, True)

    assert operator.post(f"/admin/accounts/user/{grace.pk}/change/", fields | {"is_active": "on"}).status_code == 302
    Membership.objects.filter(team__in=teams[:2], role=Role.ADMIN).update(role=Role.OWNER)
    assert operator.post(f"/admin/accounts/user/{grace.pk}/change/", fields).status_code == 302

    grace.refresh_from_db()
    assert (grace.is_active, is_signed_in(here)) == (False, False)


def test_an_identity_is_connected_and_disconnected(grace: User, page: str, provider: OAuthStandIn) -> None:
    here = browser(grace)
    back = go(to_provider(here, "google", process="connect"))
    asked = here.get(back)
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert SocialAccount.objects.count() == 0
    mail.outbox.clear()

    answer = here.post(asked["Location"], {"password": PASSWORD})

    assert answer.status_code == 302
    account = SocialAccount.objects.get(user=grace)
    assert (account.provider, account.uid) == ("google", provider.identity.uid)
    assert "grace@example.com, since" in here.get(page).content.decode()
    assert [message.to for message in mail.outbox] == [[grace.email]]
    phone = Client()
    sign_in(phone, "google")
    assert phone.get("/api/v1/me/").json()["email"] == grace.email

    answer = here.post("/accounts/3rdparty/", {"account": account.pk}, follow=True)

    assert answer.redirect_chain[-1][0] == page
    assert SocialAccount.objects.count() == 0
    actions = AuditEntry.objects.filter(action__startswith="person.identity").order_by("id")
    assert [entry.action for entry in actions] == ["person.identity_added", "person.identity_removed"]


def test_the_only_way_in_cannot_be_removed(provider: OAuthStandIn) -> None:
    client = Client()
    sign_in(client, "google")

    answer = client.post("/accounts/3rdparty/", {"account": SocialAccount.objects.get().pk}, follow=True)

    assert "Set a password first" in answer.content.decode()
    assert SocialAccount.objects.count() == 1


def test_nobody_disconnects_what_is_somebody_elses(grace: User, provider: OAuthStandIn) -> None:
    provider.identity = Identity(email="ada@example.com")
    sign_in(Client(), "github")
    theirs = SocialAccount.objects.get()
    here = browser(grace)

    here.post("/accounts/3rdparty/", {"account": theirs.pk})

    assert SocialAccount.objects.filter(pk=theirs.pk).exists()


def test_an_identity_of_another_account_is_not_taken_from_it(grace: User, page: str, provider: OAuthStandIn) -> None:
    provider.identity = Identity(email="ada@example.com")
    sign_in(Client(), "google")
    here = browser(grace)
    confirmed(here, "/accounts/2fa/totp/activate/")

    answer = here.get(go(to_provider(here, "google", process="connect")), follow=True)

    assert "belongs to another account" in answer.content.decode()
    assert SocialAccount.objects.get().user != grace


def test_allauths_own_lists_lead_to_our_page(grace: User, page: str) -> None:
    here = browser(grace)
    lists = ["/accounts/2fa/", "/accounts/2fa/webauthn/", "/accounts/3rdparty/", "/accounts/sessions/"]

    assert [here.get(path)["Location"] for path in lists] == [page] * 4
    assert {Client().get(path)["Location"].partition("?")[0] for path in lists} == {SIGN_IN}


def test_who_has_no_password_can_set_one(provider: OAuthStandIn) -> None:
    client = Client()
    sign_in(client, "google")
    mail.outbox.clear()

    answer = client.post("/accounts/password/set/", {"password1": NEW, "password2": NEW})

    assert answer.status_code == 302
    user = User.objects.get()
    assert user.check_password(NEW)
    assert is_signed_in(client)
    assert [message.to for message in mail.outbox] == [[user.email]]


def test_a_code_by_mail_does_not_confirm_who_it_is(grace: User) -> None:
    """Ask for a code by mail: whoever reads the mail would get round a second factor."""
    client = browser(grace)
    asked = client.get("/accounts/2fa/totp/activate/", follow=True)
    mail.outbox.clear()

    answers = [client.get("/accounts/reauthenticate/code/"), client.get("/accounts/reauthenticate/code/confirm/")]
    answers.append(client.post("/accounts/reauthenticate/code/", {"recipient": grace.email}))

    assert "reauthenticate/code" not in asked.content.decode()
    assert [answer.status_code for answer in answers] == [403] * 3
    assert mail.outbox == []


def test_a_reset_takes_an_account_from_who_registered_it_before_its_owner(provider: OAuthStandIn) -> None:
    """Reset the password of an account that an unverified identity created. The owner of the mailbox gets it."""
    squatted = person("grace@example.com", verified=False)
    SocialAccount.objects.create(user=squatted, provider="google", uid=provider.identity.uid)
    victim = Client()
    victim.post("/accounts/password/reset/", {"email": squatted.email})
    link = next(word for word in str(mail.outbox[0].body).split() if "/reset/key/" in word)

    form = victim.get("/" + link.split("/", 3)[3])["Location"]
    victim.post(form, {"password1": NEW, "password2": NEW})

    assert SocialAccount.objects.count() == 0
    squatted.refresh_from_db()
    assert squatted.check_password(NEW)


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox on Linux"),
        (IPHONE, "Safari on iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0", "Edge on Windows"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/537.36 Chrome/142.0 Safari/537.36",
            "Chrome on Mac",
        ),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.5.0", "curl"),
        ("<script>", "Unknown device"),
        ("", "Unknown device"),
    ],
)
def test_devices_have_names(agent: str, name: str) -> None:
    assert device_name(agent) == name


def test_the_only_address_offers_nothing_that_would_be_refused(grace: User) -> None:
    client = browser(grace)

    alone = client.get("/accounts/email/").text
    EmailAddress.objects.create(user=grace, email="hopper@example.com", verified=False)
    two = client.get("/accounts/email/").text

    actions = ("action_primary", "action_send", "action_remove")
    assert [action in alone for action in actions] == [False, False, False]
    assert [action in two for action in actions] == [True, True, True]
