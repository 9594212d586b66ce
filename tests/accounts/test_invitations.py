"""Invitations: the service, its pages and its API."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core import mail as outbox
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts import mail
from accounts.errors import Conflict, Forbidden, InvalidInput, LimitReached
from accounts.hooks import member_joining
from accounts.models import AuditEntry, Invitation, Membership, Notification, Role, Team, User
from accounts.services import invitations, members
from accounts.services.invitations import InvitationOver, WrongPerson
from tests.calling import Api, api_of
from tests.factories import MembershipFactory, UserFactory

pytestmark = pytest.mark.django_db
DORA = "dora@example.com"
Send = Callable[..., tuple[Invitation, str]]


def tokens() -> list[str]:
    """Return the tokens in the mails that were sent, oldest first."""
    while mail.send_next():
        pass
    return [re.search(r"/invitations/([\w-]{43})/", str(sent.body))[1] for sent in outbox.outbox]  # type: ignore[index]


@pytest.fixture
def send(team: Team, alice: User) -> Send:
    def invite(**changes: Any) -> tuple[Invitation, str]:
        made = invitations.invite(**{"team": team, "actor": alice, "email": DORA, "role": Role.MEMBER} | changes)
        return made, tokens()[-1]

    return invite


def age(invitation: Invitation, **by: int) -> None:
    then = timezone.now() - timedelta(**by)
    Invitation.objects.filter(pk=invitation.pk).update(sent_at=then, expires_at=then + invitations.VALID_FOR)


def is_in(user: User, team: Team) -> bool:
    return Membership.objects.filter(user=user, team=team).exists()


def test_an_invitation_is_a_mail_whose_token_is_nowhere_else(send, team):
    invitation, token = send(email="  Dora@Example.com ")

    sent = outbox.outbox[0]
    row = Invitation.objects.values().get()
    assert (invitation.email, sent.to, sent.subject) == (DORA, [DORA], "Alice invites you to Acme")
    assert "as member" in sent.body
    assert token not in str(row)
    assert timedelta(days=6, hours=23) < row["expires_at"] - timezone.now() <= timedelta(days=7)
    assert AuditEntry.objects.get().action == "invitation.sent"
    assert token not in str(AuditEntry.objects.values())


def test_whom_it_was_sent_to_joins_once(send, team):
    dora = UserFactory(email=DORA)
    invitation, token = send(role=Role.VIEWER)

    membership = invitations.accept(invitation=invitations.find_invitation(token), user=dora)

    assert (membership.team, membership.role) == (team, Role.VIEWER)
    with pytest.raises(InvitationOver) as refused:
        invitations.accept(invitation=invitation, user=dora)
    assert refused.value.extra == {"invitation": "accepted"}
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == [
        *("invitation.sent", "invitation.accepted", "member.joined")
    ]


def test_who_invited_hears_of_it(send, team, alice):
    invitation, token = send()

    invitations.accept(invitation=invitations.find_invitation(token), user=UserFactory(email=DORA, name="Dora"))

    row = Notification.objects.get()
    assert (row.person, row.kind, row.title) == (alice, "invitation", "Dora joined Acme")
    assert (row.url, row.subject_id) == ("/t/acme/settings/team/", str(invitation.pk))


def test_another_address_that_the_person_has_proved_counts(send, team):
    person = UserFactory(email="work@example.com")
    invitation, _ = send()
    EmailAddress.objects.create(user=person, email=DORA, verified=False)

    with pytest.raises(WrongPerson):
        invitations.accept(invitation=invitation, user=person)
    assert not is_in(person, team)

    EmailAddress.objects.update(verified=True)
    invitations.accept(invitation=invitation, user=person)
    assert is_in(person, team)


def test_somebody_else_with_the_link_gets_nothing(send, team, charlie):
    _, token = send()

    with pytest.raises(WrongPerson):
        invitations.accept(invitation=invitations.find_invitation(token), user=charlie)

    assert not is_in(charlie, team)
    assert Invitation.objects.get().status == "open"


def test_an_expired_link_says_so_until_it_is_sent_again(send, team, alice):
    dora = UserFactory(email=DORA)
    invitation, old = send()
    age(invitation, days=7)

    with pytest.raises(InvitationOver) as refused:
        invitations.accept(invitation=invitation, user=dora)
    assert refused.value.extra == {"invitation": "expired"}
    invitations.send_again(invitation=invitation, actor=alice)
    new = tokens()[-1]

    assert (invitations.find_invitation(old), new != old) == (None, True)
    invitations.accept(invitation=invitations.find_invitation(new), user=dora)
    assert is_in(dora, team)


def test_it_is_not_sent_again_every_second(send, alice):
    invitation, token = send()

    with pytest.raises(Conflict):
        invitations.send_again(invitation=invitation, actor=alice)

    assert tokens() == [token]


def test_a_revoked_link_is_over(send, team, alice):
    dora = UserFactory(email=DORA)
    invitation, _ = send()
    invitations.revoke(invitation=invitation, actor=alice)
    invitations.revoke(invitation=invitation, actor=alice)

    with pytest.raises(InvitationOver) as refused:
        invitations.accept(invitation=invitation, user=dora)
    with pytest.raises(InvitationOver):
        invitations.send_again(invitation=invitation, actor=alice)

    assert refused.value.extra == {"invitation": "revoked"}
    assert not is_in(dora, team)
    assert AuditEntry.objects.filter(action="invitation.revoked").count() == 1


@pytest.mark.parametrize("way", ["removed", "demoted"])
def test_an_invitation_is_worth_what_its_sender_still_may(send, team, alice, way):
    ada = MembershipFactory(team=team, role=Role.ADMIN).user
    dora = UserFactory(email=DORA)
    invitation, _ = send(actor=ada, role=Role.ADMIN)
    if way == "removed":
        members.remove_member(team=team, actor=alice, user=ada)
    else:
        members.change_role(team=team, actor=alice, user=ada, role=Role.MEMBER)

    with pytest.raises(InvitationOver):
        invitations.accept(invitation=invitation, user=dora)

    assert not is_in(dora, team)


@pytest.mark.parametrize(
    ("role", "to"),
    [(Role.ADMIN, Role.OWNER), *((role, Role.VIEWER) for role in (Role.MEMBER, Role.VIEWER, Role.BILLING))],
)
def test_nobody_invites_into_more_than_they_are(team, alice, role, to):
    with pytest.raises(Forbidden):
        invitations.invite(team=team, actor=MembershipFactory(team=team, role=role).user, email=DORA, role=to)

    assert not Invitation.objects.exists()
    assert tokens() == []


def test_a_member_or_an_invited_address_is_not_invited_twice(send, team, alice, bob, charlie):
    send()

    for email in (DORA, "BOB@example.com", "nonsense", "a@b@c.de"):
        with pytest.raises(InvalidInput) as refused:
            invitations.invite(team=team, actor=alice, email=email, role=Role.VIEWER)
        assert refused.value.fields[0].field == "email"

    assert Invitation.objects.count() == len(tokens()) == 1


def test_an_expired_invitation_makes_room_for_a_new_one(send):
    first, _ = send()
    age(first, days=8)

    second, _ = send(role=Role.ADMIN)

    first.refresh_from_db()
    assert (first.status, second.status) == ("revoked", "open")


def test_there_is_an_end_to_mailing_strangers(send, team, alice, monkeypatch):
    monkeypatch.setattr(invitations, "MOST_OPEN", 2)
    send()
    send(email="e@example.com")

    with pytest.raises(Conflict):
        invitations.invite(team=team, actor=alice, email="f@example.com", role=Role.MEMBER)

    assert Invitation.objects.count() == 2


def test_without_a_seat_the_invitation_stays_open(send, team):
    dora = UserFactory(email=DORA)
    invitation, _ = send()

    def full(**_: object) -> None:
        raise LimitReached("No seat.")

    member_joining.register(full)
    try:
        with pytest.raises(LimitReached):
            invitations.accept(invitation=invitation, user=dora)
    finally:
        member_joining.unregister(full)

    assert not is_in(dora, team)
    assert Invitation.objects.get().status == "open"


# ---- Pages


def opened(client: Client, token: str) -> Any:
    return client.get(f"/invitations/{token}/", follow=True)


def test_opening_the_link_does_nothing_by_itself(client, send, team):
    dora = UserFactory(email=DORA)
    _, token = send()
    client.force_login(dora)

    shown = opened(client, token)
    assert "Join Acme" in shown.text
    assert token not in shown.text
    assert not is_in(dora, team)

    joined = client.post("/invitations/")
    assert joined.headers["Location"] == "/t/acme/"
    assert is_in(dora, team)
    assert client.get("/invitations/").status_code == 404


def without_nonces(page: str) -> str:
    return re.sub(r'nonce="[^"]*"', "", page)


def test_an_invited_stranger_is_not_told_whether_there_is_an_account(client, send):
    _, token = send()
    without = without_nonces(opened(client, token).text)
    UserFactory(email=DORA)
    with_account = without_nonces(opened(client, token).text)

    assert without == with_account
    assert "Sign in as" in without
    assert client.post("/invitations/").headers["Location"].startswith("/accounts/login/")


def test_a_new_person_comes_back_to_the_invitation_after_signing_up(client, send, team):
    _, token = send()
    opened(client, token)

    client.post("/accounts/signup/", {"email": DORA, "password1": "correct horse battery staple"})
    dora = User.objects.get(email=DORA)
    assert not is_in(dora, team)
    EmailAddress.objects.filter(user=dora).update(verified=True)
    home = client.post("/accounts/login/", {"login": DORA, "password": "correct horse battery staple"}, follow=True)

    assert "Join Acme" in home.text
    client.post("/invitations/")
    assert is_in(dora, team)


def test_another_person_is_told_what_to_do_and_is_not_held_up(client, send, team, charlie):
    _, token = send()
    client.force_login(charlie)

    shown = opened(client, token).text
    tried = client.post("/invitations/")

    assert DORA in shown
    assert "charlie@example.com" in shown
    assert "Join team" not in shown
    assert tried.status_code == 403
    assert not is_in(charlie, team)
    assert client.get("/home/").headers["Location"].startswith("/t/elsewhere/")


@pytest.mark.parametrize(
    ("state", "words"), [("accepted", "already been used"), ("revoked", "revoked"), ("expired", "seven")]
)
def test_a_link_that_is_over_says_why(client, send, alice, state, words):
    invitation, token = send()
    if state == "expired":
        age(invitation, days=7)
    else:
        Invitation.objects.update(**{f"{state}_at": timezone.now()})

    shown = opened(client, token)

    assert shown.status_code == 410
    assert words in shown.text


def test_a_made_up_link_is_not_there(client, db):
    assert opened(client, "x" * 43).status_code == 404
    assert client.get("/invitations/").status_code == 404


def page(name: str, **ids: object) -> str:
    return reverse(f"accounts:{name}", kwargs={"team": "acme", **ids})


def test_an_admin_invites_sends_again_and_revokes_on_the_page(client, team, alice):
    client.force_login(alice)

    sent = client.post(page("members"), {"email": DORA, "role": "viewer"}, follow=True)
    twice = client.post(page("members"), {"email": DORA, "role": "viewer"})
    invitation = Invitation.objects.get()
    age(invitation, days=8)
    expired = client.get(page("members")).text
    again = client.post(page("invitation_resend", invitation_id=invitation.pk), follow=True)
    soon = client.post(page("invitation_resend", invitation_id=invitation.pk), follow=True)
    revoked = client.post(page("invitation_revoke", invitation_id=invitation.pk), follow=True)

    assert "An invitation is on its way to dora@example.com." in sent.text
    assert (twice.status_code, "has an invitation already" in twice.text) == (422, True)
    assert "Expired" in expired
    assert "Another link is on its way" in again.text
    assert "Wait a minute" in soon.text
    assert "does not work any more" in revoked.text
    assert "No open invitations" in revoked.text
    assert len(tokens()) == 2


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_others_neither_invite_nor_see_who_is_invited(client, send, team, role):
    invitation, _ = send()
    client.force_login(MembershipFactory(team=team, role=role).user)

    shown = client.get(page("members"))
    refused = [
        client.post(page("members"), {"email": "e@example.com", "role": "viewer"}),
        client.post(page("invitation_resend", invitation_id=invitation.pk)),
        client.post(page("invitation_revoke", invitation_id=invitation.pk)),
    ]

    assert DORA not in shown.text
    assert [answer.status_code for answer in refused] == [403] * 3
    assert [row.status for row in Invitation.objects.all()] == ["open"]


# ---- API


def test_invitations_over_the_api(team, alice):
    api = api_of(alice, team)
    path = "/api/v1/teams/acme/invitations/"

    made = api.send("POST", path, {"email": DORA, "role": "viewer"}, Idempotency_Key="one")
    again = api.send("POST", path, {"email": DORA, "role": "viewer"}, Idempotency_Key="one")
    twice = api.send("POST", path, {"email": DORA})
    token = tokens()[-1]
    rows = api.get(path).json()["results"]

    assert (made.status_code, made.json()["status"], again.json()) == (201, "open", made.json())
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "email")
    assert [row["email"] for row in rows] == [DORA]
    assert token not in str(rows) + made.text
    assert api.send("DELETE", f"{path}{made.json()['id']}/").status_code == 204
    assert api.get(path).json()["results"] == []


def test_accepting_over_the_api(send, team, alice, charlie):
    dora = UserFactory(email=DORA)
    _, token = send()
    path = f"/api/v1/invitations/{token}/accept/"
    of_dora, of_charlie = Api(), Api()
    for client, user in ((of_dora, dora), (of_charlie, charlie)):
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    wrong = of_charlie.send("POST", path)
    by_key = api_of(alice, team).send("POST", path)
    unknown = of_dora.send("POST", f"/api/v1/invitations/{'x' * 43}/accept/")
    joined = of_dora.send("POST", path, Idempotency_Key="one")
    repeated = of_dora.send("POST", path, Idempotency_Key="one")
    over = of_dora.send("POST", path)

    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_person")
    assert (by_key.status_code, unknown.status_code) == (403, 404)
    assert (joined.status_code, joined.json()["slug"], joined.json()["role"]) == (200, "acme", "member")
    assert repeated["Idempotent-Replayed"] == "true"
    assert (over.status_code, over.json()["code"], over.json()["invitation"]) == (409, "invitation_over", "accepted")
    assert not is_in(charlie, team)


def test_an_invitation_into_a_team_that_is_gone_stands_in_nobodys_way(client: Client, send, team, charlie):
    _, token = send()
    client.get(f"/invitations/{token}/")
    Team.objects.filter(pk=team.pk).update(removed_at=timezone.now())
    client.force_login(charlie)

    first, then = client.get("/home/", follow=True), client.get("/home/")

    assert first.status_code == 404
    assert then.headers["Location"].startswith("/t/elsewhere/")


def test_a_key_invites_no_owner(send, team, alice):
    """Invite an owner with an owner's key. Owners can delete the team, so only people may."""
    asked, _ = send(role=Role.OWNER)
    age(asked, hours=1)
    api, path = api_of(alice, team), "/api/v1/teams/acme/invitations/"

    made = api.send("POST", path, {"email": "eve@example.com", "role": "owner"})
    again = api.send("POST", f"{path}{asked.pk}/resend/")

    assert [answer.json()["required_scope"] for answer in (made, again)] == ["team:own"] * 2
    assert (made.status_code, again.status_code, Invitation.objects.count()) == (403, 403, 1)
