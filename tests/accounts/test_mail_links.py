"""Links in mails: they lead to BASE_URL, whatever host and port the request names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from allauth.account.adapter import get_adapter
from allauth.core import context
from django.conf import settings as product
from django.core import mail
from django.test import Client, RequestFactory

from accounts import jobs
from accounts.models import Role, Team, User
from tests.accounts.people import browser, confirmed, person, totp
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
OURS = "https://desk.example.com"
ELSEWHERE = "localhost:6666"
"""Host that ALLOWED_HOSTS allows with any port."""
TEMPLATES = Path(product.BASE_DIR) / "templates"


@pytest.fixture(autouse=True)
def _base_url(settings: Any) -> None:
    settings.BASE_URL = OURS


@pytest.fixture
def stranger() -> Client:
    return Client(headers={"Host": ELSEWHERE})


def links() -> list[str]:
    """Return every URL in the sent mails, and check that no mail names the request's host."""
    found = []
    for message in mail.outbox:
        parts = [message.subject, str(message.body), *(str(part.content) for part in message.alternatives)]
        assert not [part for part in parts if ELSEWHERE in part or "localhost" in part], message.subject
        found += [link for part in parts for link in re.findall(r"https?://[^\s\"'<>]+", part)]
    return found


def test_signing_up(stranger: Client) -> None:
    stranger.post("/accounts/signup/", {"email": "grace@example.com", "password1": PASSWORD})

    (link, base) = links()
    assert re.fullmatch(rf"{OURS}/accounts/confirm-email/[\w:=-]+/", link)
    assert base == OURS
    assert stranger.get(link.removeprefix(OURS)).status_code == 200


def test_signing_up_over_the_api(stranger: Client) -> None:
    body = {"email": "grace@example.com", "password": PASSWORD}

    answer = stranger.post("/api/v1/auth/sign-up/", body, content_type="application/json")

    assert answer.status_code == 202
    assert links()[0].startswith(f"{OURS}/accounts/confirm-email/")


def test_signing_up_with_a_known_address(stranger: Client) -> None:
    person()

    stranger.post("/accounts/signup/", {"email": "grace@example.com", "password1": PASSWORD})

    assert links() == [f"{OURS}/accounts/password/reset/", OURS]


def test_signing_in_before_the_address_is_proved(stranger: Client) -> None:
    person(verified=False)

    stranger.post("/accounts/login/", {"login": "grace@example.com", "password": PASSWORD})

    assert links()[0].startswith(f"{OURS}/accounts/confirm-email/")


@pytest.mark.attack(48)
def test_asking_for_a_reset(stranger: Client) -> None:
    person()

    stranger.post("/accounts/password/reset/", {"email": "grace@example.com"})

    (link, _) = links()
    assert link.startswith(f"{OURS}/accounts/password/reset/key/")
    form = stranger.get(link.removeprefix(OURS))
    assert form.status_code == 302
    assert (
        stranger.post(form["Location"], {"password1": "a new good one", "password2": "a new good one"}).status_code
        == 302
    )
    assert User.objects.get().check_password("a new good one")


def test_asking_for_a_reset_of_nobodys_address(stranger: Client) -> None:
    stranger.post("/accounts/password/reset/", {"email": "nobody@example.com"})

    assert links() == [f"{OURS}/accounts/signup/", OURS]


def test_adding_an_address() -> None:
    client = browser(person(), Host=ELSEWHERE)
    confirmed(client, "/accounts/2fa/totp/activate/")
    mail.outbox.clear()
    client.post("/accounts/email/", {"action_add": "", "email": "grace@example.org"})

    assert [message.to for message in mail.outbox] == [["grace@example.org"]]
    assert links()[0].startswith(f"{OURS}/accounts/confirm-email/")


def test_a_new_factor_is_told(django_capture_on_commit_callbacks: Any) -> None:
    client = browser(person(), Host=ELSEWHERE)
    page = confirmed(client, "/accounts/2fa/totp/activate/")
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        client.post("/accounts/2fa/totp/activate/", {"code": totp(page.context["form"].secret)})

    assert [message.subject for message in mail.outbox] == ["Two-step sign-in is on"]
    assert set(links()) == {OURS}


def test_an_invitation(team: Team, alice: User) -> None:
    client = browser(alice_verified(alice), Host=ELSEWHERE)

    client.post("/t/acme/settings/members/", {"email": "bob@example.com", "role": Role.MEMBER})
    jobs.send_mails()

    assert any(link.startswith(f"{OURS}/invitations/") for link in links())


def alice_verified(alice: User) -> User:
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    return alice


@pytest.mark.attack(48)
@pytest.mark.parametrize(
    "template", sorted(path.stem.removesuffix("_subject") for path in TEMPLATES.glob("*/email/*_subject.txt"))
)
def test_no_mail_of_signing_in_takes_its_host_from_the_request(template: str) -> None:
    """Send every template, including those that no flow sends today."""
    (path,) = TEMPLATES.glob(f"*/email/{template}_subject.txt")
    request = RequestFactory(headers={"Host": ELSEWHERE}).get("/")
    request.user = person()
    given: dict[str, Any] = {"user": request.user, "provider": "Google", "timestamp": "now", "ip": "203.0.113.9"}

    with context.request_context(request):
        get_adapter().send_mail(f"{path.parent.parent.name}/email/{template}", "grace@example.com", given)

    assert len(mail.outbox) == 1
    assert [link for link in links() if not link.startswith(OURS)] == []
    assert OURS in str(mail.outbox[0].body)
