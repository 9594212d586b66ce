"""Sign-up without a page. Attack cases 44, 45."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core import mail
from django.test import Client

from accounts.adapter import AccountAdapter
from accounts.models import Membership, Role, User
from tests.calling import Api
from tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db
SIGN_UP, VERIFY, TOKEN = (f"/api/v1/auth/{name}/" for name in ("sign-up", "verify-email", "token"))
GRACE = {"email": "Grace@Example.com", "password": PASSWORD}


def post(path: str, body: Any) -> Any:
    return Api().send("POST", path, body)


def mailed_key() -> str:
    found = re.search(r"confirm-email/([^/]+)/", str(mail.outbox[-1].body))
    assert found is not None
    return found[1]


def test_a_mailed_key_finishes_the_account_once() -> None:
    begun = post(SIGN_UP, GRACE)
    too_early = post(TOKEN, GRACE)
    key = mailed_key()
    proved, again = post(VERIFY, {"key": key}), post(VERIFY, {"key": key})

    membership = Membership.objects.select_related("user").get()
    assert (begun.status_code, too_early.status_code, too_early.json()["code"]) == (202, 403, "email_not_verified")
    assert (membership.user.email, membership.role) == ("grace@example.com", Role.OWNER)
    assert (proved.status_code, proved.json()) == (200, {"email": "grace@example.com"})
    assert (again.status_code, again.json()["errors"][0]["field"]) == (422, "key")
    assert post(TOKEN, GRACE).status_code == 200
    assert [dict(answer.cookies) for answer in (begun, proved)] == [{}, {}]


@pytest.mark.attack(45)
def test_a_known_address_gets_the_same_answer_and_another_mail() -> None:
    known = UserFactory(email="grace@example.com", password="another good one")
    known.emailaddress_set.create(email=known.email, verified=True, primary=True)

    answers = [post(SIGN_UP, GRACE | {"email": email}) for email in ("grace@example.com", "new@example.com")]

    assert [(a.status_code, a.content) for a in answers] == [(202, answers[0].content)] * 2
    assert [message.to for message in mail.outbox] == [["grace@example.com"], ["new@example.com"]]
    assert "confirm-email" not in str(mail.outbox[0].body)
    known.refresh_from_db()
    assert known.check_password("another good one")


@pytest.mark.attack(44)
@pytest.mark.parametrize("key", [None, "", [], {}, "abc", "MQ:1abc:x", "\x00", "x" * 600])
def test_a_key_that_is_none_proves_nothing(key: Any) -> None:
    post(SIGN_UP, GRACE)

    answer = post(VERIFY, {"key": key})

    assert answer.status_code in (400, 422)
    assert post(TOKEN, GRACE).status_code == 403


@pytest.mark.parametrize(
    ("wrong", "field"), [({"password": "short"}, "password"), ({"email": "grace@"}, "email"), ({"name": "G"}, "name")]
)
def test_what_is_wrong_is_said_at_its_field_and_nobody_is_made(wrong: dict[str, str], field: str) -> None:
    answer = post(SIGN_UP, GRACE | wrong)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert not User.objects.exists()
    assert mail.outbox == []


def test_where_sign_up_is_closed_nobody_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AccountAdapter, "is_open_for_signup", lambda self, request: False)

    answer = post(SIGN_UP, GRACE)

    assert (answer.status_code, answer.json()["code"]) == (403, "sign_up_closed")
    assert not User.objects.exists()


def test_the_key_of_the_api_is_the_link_of_the_page() -> None:
    """Open the mailed link instead of sending its key: the account is the same."""
    post(SIGN_UP, GRACE)

    Client().post(f"/accounts/confirm-email/{mailed_key()}/")

    assert post(TOKEN, GRACE).status_code == 200
