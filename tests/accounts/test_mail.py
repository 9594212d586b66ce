"""Outbox for mail: written with its cause and sent once after it, in however many attempts."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import timedelta
from email import message_from_string, policy
from typing import Any

import pytest
import redis
from django.conf import settings
from django.core import mail as django_mail
from django.db import transaction
from django.template import TemplateDoesNotExist
from django.test import Client
from django.utils import timezone

from accounts import jobs, mail, queue
from accounts.errors import InvalidInput
from accounts.models import OutgoingMail, User
from tests.factories import UserFactory
from tests.standins.smtp import MailStandIn

pytestmark = pytest.mark.django_db
SMTP = "django.core.mail.backends.smtp.EmailBackend"


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    sent: list[str] = []
    monkeypatch.setattr("accounts.queue.wake_mailer", lambda: sent.append("wake"))
    return sent


@pytest.fixture
def server(settings: Any) -> Callable[[MailStandIn], MailStandIn]:
    def use(stand_in: MailStandIn) -> MailStandIn:
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", stand_in.port
        return stand_in

    return use


def write(to: str = "alice@example.com", sender: str = "Bob") -> OutgoingMail:
    return mail.send_mail_later(to=to, template="test", context={"sender": sender})


def make_due() -> None:
    OutgoingMail.objects.update(next_try_at=timezone.now() - timedelta(seconds=1))


def state() -> tuple[str, int]:
    row = OutgoingMail.objects.get()
    return row.status, row.attempts


def test_a_mail_is_sent_after_the_commit_with_text_and_html(
    wakes: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        row = write(sender="Bob & <Co>")
        assert (wakes, django_mail.outbox) == ([], [])
    assert wakes == ["wake"]

    jobs.send_mails()

    [sent] = django_mail.outbox
    row.refresh_from_db()
    assert (sent.to, sent.subject) == (["alice@example.com"], "Mail from Bob & <Co>")
    assert sent.body.startswith("Bob & <Co> sent this email from Deskhand")
    [(html, kind)] = sent.alternatives
    assert kind == "text/html"
    assert "<p>Bob &amp; &lt;Co&gt; sent" in html
    assert "<img" not in html
    assert "src=" not in html
    assert (row.status, row.attempts, row.context, row.error) == ("sent", 1, {}, "")
    assert row.ended_at is not None


def test_a_mail_of_a_transaction_that_failed_is_not_sent(wakes: list[str]) -> None:
    with transaction.atomic():
        write()
        transaction.set_rollback(True)

    jobs.send_mails()

    assert OutgoingMail.objects.exists() is False
    assert (wakes, django_mail.outbox) == ([], [])


def test_the_job_delivered_twice_sends_once(wakes: list[str]) -> None:
    write()

    jobs.send_mails()
    jobs.send_mails()

    assert len(django_mail.outbox) == 1
    assert state() == ("sent", 1)


def test_a_mail_that_somebody_tries_is_nobody_elses() -> None:
    write()
    taken = OutgoingMail.objects.take(lease=mail.LEASE)

    jobs.send_mails()

    assert taken is not None
    assert django_mail.outbox == []
    assert state() == ("waiting", 1)


def test_a_process_that_died_while_sending_leaves_a_mail_that_is_sent_again_under_the_same_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: Any, **__: Any) -> None:
        raise Killed

    row = write()
    with monkeypatch.context() as dying:
        dying.setattr(mail, "_end", die)
        with pytest.raises(Killed):
            jobs.send_mails()
    jobs.send_mails()
    assert len(django_mail.outbox) == 1

    make_due()
    jobs.send_mails()

    ids = {sent.message()["Message-ID"] for sent in django_mail.outbox}
    assert (len(django_mail.outbox), ids) == (2, {f"<{row.pk}@localhost>"})
    assert state() == ("sent", 2)


def test_a_server_that_is_down_costs_a_try_and_a_longer_pause_each_time(settings: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, *closed.getsockname()
        write()
        pauses = []
        for _ in range(9):
            make_due()
            before = timezone.now()
            jobs.send_mails()
            pauses.append(round((OutgoingMail.objects.get().next_try_at - before).total_seconds(), -1))

    row = OutgoingMail.objects.get()
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert (row.status, row.attempts, row.error[:22]) == ("waiting", 9, "ConnectionRefusedError")
    assert row.context == {"sender": "Bob"}


def test_after_a_day_it_is_given_up_until_an_operator_sends_it_again(
    settings: Any, wakes: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST, settings.EMAIL_PORT = SMTP, "127.0.0.1", 1
    row = write()
    OutgoingMail.objects.update(created_at=timezone.now() - mail.GIVE_UP_AFTER - timedelta(minutes=1))
    jobs.send_mails()
    assert state() == ("failed", 1)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    operator = Client()
    operator.force_login(User.objects.create_superuser("op@example.com", "x"))

    with django_capture_on_commit_callbacks(execute=True):
        chosen = {"action": "send_again", "_selected_action": [str(row.pk)]}
        operator.post("/admin/accounts/outgoingmail/", chosen)
    jobs.send_mails()

    assert wakes == ["wake"]
    assert [sent.to for sent in django_mail.outbox] == [["alice@example.com"]]
    assert state() == ("sent", 1)


def test_a_mail_that_the_server_refuses_for_good_is_not_tried_again(
    server: Callable[[MailStandIn], MailStandIn],
) -> None:
    row = write()
    with server(MailStandIn("refuse")) as stand_in:
        jobs.send_mails()
        make_due()
        jobs.send_mails()

    assert len(stand_in.messages) == 1
    assert state() == ("failed", 1)
    with pytest.raises(InvalidInput):
        mail.send_again(mail=OutgoingMail.objects.get(pk=row.pk))


def test_an_answer_that_is_lost_means_another_try_under_the_same_id(
    server: Callable[[MailStandIn], MailStandIn],
) -> None:
    write()
    with server(MailStandIn("drop")) as stand_in:
        jobs.send_mails()
        make_due()
        jobs.send_mails()

    ids = {message_from_string(text, policy=policy.default)["Message-ID"] for text in stand_in.messages}
    assert (len(stand_in.messages), len(ids)) == (2, 1)
    assert state() == ("waiting", 2)


def test_a_name_with_a_line_break_starts_no_header(server: Callable[[MailStandIn], MailStandIn]) -> None:
    with server(MailStandIn("take")) as stand_in:
        write(sender="Bob\r\nBcc: evil@evil.test\r\n\r\nBuy")
        jobs.send_mails()

    [text] = stand_in.messages
    parsed = message_from_string(text, policy=policy.default)
    assert parsed["Subject"] == "Mail from Bob Bcc: evil@evil.test Buy"
    assert (parsed["Bcc"], parsed["To"]) == (None, "alice@example.com")


@pytest.mark.parametrize("to", ["", "nobody", "a@example.com\nBcc: b@example.com", "a@example.com, b@example.com"])
def test_what_is_no_address_gets_no_row(to: str) -> None:
    with pytest.raises(InvalidInput):
        write(to=to)

    assert OutgoingMail.objects.exists() is False


def test_a_template_that_does_not_exist_is_told_to_the_caller() -> None:
    with pytest.raises(TemplateDoesNotExist):
        mail.send_mail_later(to="alice@example.com", template="no_such", context={})

    assert OutgoingMail.objects.exists() is False


def test_one_broken_mail_does_not_keep_back_the_others() -> None:
    OutgoingMail.objects.create(to="alice@example.com", template="gone")
    write("bob@example.com")

    jobs.send_mails()

    assert [sent.to for sent in django_mail.outbox] == [["bob@example.com"]]
    assert OutgoingMail.objects.get(template="gone").error.startswith("TemplateDoesNotExist")


def test_the_sweep_wakes_the_mailer_only_for_what_is_due(wakes: list[str]) -> None:
    mail.wake_if_due()
    write()
    OutgoingMail.objects.update(next_try_at=timezone.now() + timedelta(minutes=1))
    mail.wake_if_due()
    assert wakes == []

    make_due()
    mail.wake_if_due()

    assert wakes == ["wake"]


def test_old_rows_go_and_those_on_their_way_stay() -> None:
    now = timezone.now()
    for status, days in (("sent", 6), ("sent", 8), ("failed", 29), ("failed", 31), ("dropped", 8)):
        OutgoingMail.objects.create(
            to=f"{status}{days}@example.com", template="test", status=status, ended_at=now - timedelta(days=days)
        )
    OutgoingMail.objects.create(to="waiting@example.com", template="test", created_at=now - timedelta(days=90))

    mail.forget_old()

    left = set(OutgoingMail.objects.values_list("to", flat=True))
    assert left == {"sent6@example.com", "failed29@example.com", "waiting@example.com"}


def test_an_operator_sends_a_test_mail_and_sees_it_but_not_its_words() -> None:
    operator = Client()
    operator.force_login(User.objects.create_superuser("op@example.com", "x"))
    person = UserFactory(email="grace@example.com")

    operator.post("/admin/accounts/user/", {"action": "send_test_mail", "_selected_action": [str(person.pk)]})
    row = OutgoingMail.objects.get()
    page = operator.get(f"/admin/accounts/outgoingmail/{row.pk}/change/").content.decode()

    assert (row.to, row.context) == ("grace@example.com", {"sender": "op"})
    assert "grace@example.com" in page
    assert "sender" not in page


def test_a_worker_whose_clock_is_wrong_is_woken_too() -> None:
    valkey = redis.Redis.from_url(settings.CELERY_BROKER_URL)
    name = f"{settings.REDIS_PREFIX}default"
    valkey.delete(name)

    queue.wake_mailer()

    message = json.loads(str(valkey.rpop(name), "utf-8"))  # type: ignore[arg-type]
    assert (message["headers"]["task"], message["headers"]["expires"]) == (queue.SEND_MAILS, None)


def test_a_broker_that_is_down_fails_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr("accounts.queue.current_app.send_task", refuse)

    queue.wake_mailer()
