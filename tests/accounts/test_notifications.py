"""Page of the bell, choices, and links in mails, which change nothing when opened."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail as django_mail
from django.core import signing
from django.test import Client
from django.utils import timezone

from accounts import jobs, notifications
from accounts.errors import InvalidInput
from accounts.models import AuditEntry, Membership, NoticeKind, Notification, OutgoingMail, Role, Team, User
from accounts.notifications import Notice
from tests.calling import api_of
from tests.factories import HumanRequestFactory, MembershipFactory, RunFactory
from tests.html import HOSTILE

pytestmark = pytest.mark.django_db


def tell(team: Team, *people: User, subject_id: str = "1", subject_type: str = "thing", **more: Any) -> None:
    given: dict[str, Any] = {"kind": NoticeKind.FAILED, "title": "Ana could not finish", "url": "/t/acme/runs/"}
    notice = Notice(**given | {"action": "Look", "subject_type": subject_type, "subject_id": subject_id} | more)
    notifications.notify(team=team, people=people, notice=notice, needs="runs:read")


def mailed(path: str = "/n/") -> tuple[Any, str]:
    """Send the due mails. Return the last one and the path of its link."""
    OutgoingMail.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))
    jobs.send_mails()
    message: Any = django_mail.outbox[-1]
    found = re.search(rf"https?://[^/\s]+({path}[^\s/]+/)", message.body)
    assert found is not None
    return message, found[1]


def read() -> list[bool]:
    return [row.read_at is not None for row in Notification.objects.order_by("pk")]


# ---- The bell


def test_the_billing_role_has_a_bell_for_money_and_for_nothing_of_runs(client: Client, team: Team, bob: User) -> None:
    money = {"kind": NoticeKind.BUDGET, "title": "Acme has spent its whole budget", "url": "/t/acme/settings/budgets/"}
    tell(team, bob, title="Ana could not finish")
    tell(team, bob, subject_id="2", subject_type="budget", **money)
    Membership.objects.filter(user=bob).update(role=Role.BILLING)
    client.force_login(bob)
    of_run, of_money = Notification.objects.order_by("pk")

    shown = [client.get("/t/acme/notifications/"), client.get("/t/acme/notifications/?part=menu")]
    opened = [client.post(f"/t/acme/notifications/{row.pk}/open/") for row in (of_run, of_money)]

    for page in shown:
        assert "Acme has spent its whole budget" in page.text
        assert "Ana could not finish" not in page.text
    assert '<span class="count">1<span class="sr-only"> unread</span>' in shown[0].text
    assert [answer.status_code for answer in opened] == [404, 302]
    assert opened[1]["Location"] == "/t/acme/settings/budgets/"
    assert client.get(opened[1]["Location"]).status_code == 200
    assert client.post("/t/acme/notifications/read/").status_code == 302
    assert read() == [False, True]


def test_the_page_shows_ones_own_in_this_team_and_nothing_of_others(
    as_alice: Client, alice: User, bob: User, team: Team, other_team: Team
) -> None:
    MembershipFactory(team=other_team, user=alice)
    tell(team, alice, title="Mine here")
    tell(team, bob, title="Of Bob")
    tell(other_team, alice, title="Mine elsewhere", subject_id="2")

    for part in ("", "?part=menu"):
        page = as_alice.get(f"/t/acme/notifications/{part}").content.decode()

        assert "Mine here" in page
        assert "Of Bob" not in page
        assert "Mine elsewhere" not in page


def test_an_empty_page_says_what_will_be_there(as_alice: Client) -> None:
    assert "Nothing yet" in as_alice.get("/t/acme/notifications/").content.decode()
    assert "No notifications yet" in as_alice.get("/t/acme/notifications/?part=menu").content.decode()


def test_many_are_paged_and_what_an_agent_wrote_is_text(as_alice: Client, alice: User, team: Team) -> None:
    for n in range(60):
        tell(team, alice, title=f"Number {n}. {HOSTILE[0]}", detail=HOSTILE[0], subject_id=str(n))

    first = as_alice.get("/t/acme/notifications/").content.decode()
    second = as_alice.get("/t/acme/notifications/?page=2").content.decode()

    assert ("Number 59." in first, "Number 9." in first) == (True, False)
    assert ("Number 59." in second, "Number 9." in second) == (False, True)
    assert HOSTILE[0] not in first


def test_opening_marks_one_as_read_and_goes_there(as_alice: Client, alice: User, team: Team) -> None:
    tell(team, alice, subject_id="1")
    tell(team, alice, subject_id="2")
    row = Notification.objects.get(subject_id="1")

    for _ in range(2):  # read twice changes nothing
        answer = as_alice.post(f"/t/acme/notifications/{row.pk}/open/")

        assert (answer.status_code, answer["Location"]) == (302, "/t/acme/runs/")
    assert read() == [True, False]
    assert as_alice.get(f"/t/acme/notifications/{row.pk}/open/").status_code == 405


def test_nobody_opens_or_reads_what_another_was_told(as_alice: Client, bob: User, team: Team) -> None:
    tell(team, bob)
    row = Notification.objects.get()

    assert as_alice.post(f"/t/acme/notifications/{row.pk}/open/").status_code == 404
    as_alice.post("/t/acme/notifications/read/")

    assert read() == [False]


def test_all_are_read_at_once(as_alice: Client, alice: User, team: Team) -> None:
    for n in range(3):
        tell(team, alice, subject_id=str(n))

    answer = as_alice.post("/t/acme/notifications/read/")
    part = as_alice.post("/t/acme/notifications/read/", headers={"HX-Request": "true"})

    assert (answer.status_code, part.status_code) == (302, 200)
    assert read() == [True] * 3
    assert "notice-new" not in part.content.decode()


def test_what_is_about_something_deleted_says_so(as_alice: Client, alice: User, team: Team) -> None:
    asked = HumanRequestFactory(run=RunFactory(agent__team=team))
    tell(team, alice, subject_type="humanrequest", subject_id=str(asked.pk), subject_label="Refunds")
    asked.run.delete()
    row = Notification.objects.get()

    answer = as_alice.post(f"/t/acme/notifications/{row.pk}/open/")

    assert answer.status_code == 410
    assert "about Refunds, which has been deleted" in answer.content.decode()


def test_old_ones_are_forgotten(alice: User, team: Team) -> None:
    tell(team, alice, subject_id="old")
    Notification.objects.update(created_at=timezone.now() - timedelta(days=91))
    tell(team, alice, subject_id="new")

    notifications.forget_old()

    assert list(Notification.objects.values_list("subject_id", flat=True)) == ["new"]


# ---- Choices


def test_the_page_saves_one_switch_for_each_kind_and_channel(as_alice: Client, alice: User) -> None:
    shown = as_alice.get("/t/acme/settings/notifications/").content.decode()
    assert shown.count('role="switch"') == len(NoticeKind) * 2
    assert shown.count(" checked") == (len(NoticeKind) - 1) * 2

    answer = as_alice.post("/t/acme/settings/notifications/", {"needs_you.app": "on", "finished.mail": "on", "x": "y"})

    alice.refresh_from_db()
    assert answer.status_code == 302
    assert alice.notice_channels == {
        "needs_you": ["app"],
        "failed": [],
        "budget": [],
        "invitation": [],
        "finished": ["mail"],
    }
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.data["by"]) == (alice, "person.notices_chosen", "page")


@pytest.mark.parametrize("choices", [{"nothing": ["app"]}, {"failed": ["pigeon"]}])
def test_what_cannot_be_chosen_changes_nothing(alice: User, choices: Any) -> None:
    with pytest.raises(InvalidInput):
        notifications.choose(person=alice, choices=choices)

    alice.refresh_from_db()
    assert alice.notice_channels == {}


# ---- Links in mails


def test_a_link_leads_to_the_thing_after_signing_in_and_does_nothing(
    client: Client, alice: User, bob: User, team: Team
) -> None:
    tell(team, alice)
    _, path = mailed()

    unsigned = client.get(path)
    assert (unsigned.status_code, unsigned["Location"]) == (302, f"/accounts/login/?next={path.replace(':', '%3A')}")
    client.force_login(alice)
    opened = client.get(path)

    assert (opened.status_code, opened["Location"]) == (302, "/t/acme/runs/")
    assert read() == [False]
    assert client.post(path).status_code == 405


def test_opened_by_another_person_it_shows_nothing(client: Client, alice: User, bob: User, team: Team) -> None:
    tell(team, alice, title="Secret title")
    _, path = mailed()
    client.force_login(bob)

    answer = client.get(path)

    assert answer.status_code == 403
    assert "for someone else" in answer.content.decode()
    assert "Secret" not in answer.content.decode()
    assert "alice" not in answer.content.decode()


def test_who_left_the_team_is_told_so(client: Client, alice: User, team: Team) -> None:
    tell(team, alice)
    _, path = mailed()
    Membership.objects.filter(user=alice).delete()
    client.force_login(alice)

    answer = client.get(path)

    assert answer.status_code == 403
    assert "no longer in this team" in answer.content.decode()


def test_a_link_that_is_made_up_too_old_or_of_another_kind_opens_nothing(
    client: Client, alice: User, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(team, alice)
    _, path = mailed()
    _, off = mailed_off = mailed("/n/off/")
    assert mailed_off
    client.force_login(alice)

    swapped = [f"/n/{off.split('/')[3]}/", f"/n/off/{path.split('/')[2]}/", path.replace(":", "x:", 1)]
    assert [client.get(each).status_code for each in swapped] == [410, 410, 410]
    monkeypatch.setattr(notifications, "LINK_AGE", timedelta(seconds=-1))
    assert client.get(path).status_code == 410


def test_unsubscribing_asks_first_and_takes_one_kind_of_mail_away(client: Client, alice: User, team: Team) -> None:
    tell(team, alice)
    message, path = mailed("/n/off/")
    headers = message.message()
    assert headers["List-Unsubscribe"] == f"<http://127.0.0.1:8000{path}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"

    page = client.get(path)  # a scanner does no more than this
    alice.refresh_from_db()
    assert (page.status_code, alice.notice_channels) == (200, {})
    assert "Stop these emails?" in page.content.decode()

    strict = Client(enforce_csrf_checks=True)
    answer = strict.post(path, {"List-Unsubscribe": "One-Click"})

    alice.refresh_from_db()
    assert (answer.status_code, alice.notice_channels) == (200, {"failed": ["app"]})
    assert "Emails stopped" in answer.content.decode()
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action) == (None, "person.notices_chosen")
    assert entry.data == {"by": "link", "before": {"failed": ["app", "mail"]}, "after": {"failed": ["app"]}}


def test_an_unsubscribe_link_of_a_person_who_is_gone_opens_nothing(client: Client, alice: User) -> None:
    token = signing.dumps({"person": str(alice.pk), "kind": "failed"}, salt="accounts.notification.off")
    User.objects.update(is_active=False)

    assert client.post(f"/n/off/{token}/").status_code == 410


# ---- The API

LIST = "/api/v1/notifications/"


def test_the_api_lists_ones_own_and_marks_them_as_read(alice: User, bob: User, team: Team) -> None:
    for n in range(3):
        tell(team, alice, subject_id=str(n), subject_label=f"Run {n}")
    tell(team, bob)
    api = api_of(alice, team)

    shown = api.get(LIST).json()["results"]
    assert [row["subject"]["label"] for row in shown] == ["Run 2", "Run 1", "Run 0"]
    assert shown[0] | {"id": "", "created_at": ""} == {
        "id": "",
        "kind": "failed",
        "title": "Ana could not finish",
        "detail": "",
        "url": "/t/acme/runs/",
        "subject": {"type": "thing", "id": "2", "label": "Run 2"},
        "created_at": "",
        "read_at": None,
        "settled_at": None,
    }

    first = [api.send("POST", f"{LIST}{shown[0]['id']}/read/").json()["read_at"] for _ in range(2)]
    assert first[0] == first[1] is not None
    assert len(api.get(LIST, {"unread": "true"}).json()["results"]) == 2
    assert api.get(LIST, {"kind": "budget"}).json()["results"] == []
    assert [api.send("POST", f"{LIST}read/").json() for _ in range(2)] == [{"read": 2}, {"read": 0}]
    assert Notification.objects.filter(read_at=None).get().person == bob


def test_the_api_shows_nobody_elses(alice: User, bob: User, team: Team) -> None:
    tell(team, bob)
    row = Notification.objects.get()
    api = api_of(alice, team)

    assert [api.get(f"{LIST}{row.pk}/").status_code, api.post(f"{LIST}{row.pk}/read/").status_code] == [404, 404]
    assert read() == [False]
