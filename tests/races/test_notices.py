"""Notifications that two sweeps send, or two people read, at the same moment."""

from __future__ import annotations

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from accounts import mail, notifications
from accounts.models import Notification, OutgoingMail, Team, User
from tasks.services import notices
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory
from tests.races.concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_sweeps_that_come_at_once_tell_and_mail_each_thing_once(team: Team, alice: User) -> None:
    agent = AgentFactory(team=team)
    for n in range(3):
        run = RunFactory(agent=agent, status="waiting", waiting_kind="question", created_by=alice, title=f"Run {n}")
        HumanRequestFactory(run=run)
        RunFactory(agent=agent, status="failed", created_by=alice, finished_at=timezone.now())

    def sweep(_: int) -> None:
        notices.notify_pending()

    assert at_once(4, sweep) == [None] * 4
    OutgoingMail.objects.update(next_try_at=timezone.now())

    def send(_: int) -> None:
        while mail.send_next():
            pass

    assert at_once(4, send) == [None] * 4
    assert (Notification.objects.count(), len(django_mail.outbox)) == (6, 6)
    assert set(OutgoingMail.objects.values_list("status", "attempts")) == {("sent", 1)}


def test_of_two_that_read_all_at_once_each_row_is_read_once(team: Team, alice: User) -> None:
    agent = AgentFactory(team=team)
    for _ in range(5):
        RunFactory(agent=agent, status="failed", created_by=alice, finished_at=timezone.now())
    notices.notify_pending()

    read = at_once(4, lambda _: notifications.mark_read(team=team, person=alice, actions={"runs:read"}))

    assert sum(read) == 5
