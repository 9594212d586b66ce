"""Mailers of two processes at the same moment."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail

from accounts import mail
from accounts.models import OutgoingMail
from tests.races.concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_mailers_that_come_at_once_send_each_mail_once() -> None:
    for n in range(6):
        mail.send_mail_later(to=f"person{n}@example.com", template="test", context={"sender": "Bob"})

    def send_all(_: int) -> int:
        count = 0
        while mail.send_next():
            count += 1
        return count

    sent = at_once(4, send_all)

    assert sum(sent) == 6
    assert sorted(message.to[0] for message in django_mail.outbox) == [f"person{n}@example.com" for n in range(6)]
    assert set(OutgoingMail.objects.values_list("status", "attempts")) == {("sent", 1)}
