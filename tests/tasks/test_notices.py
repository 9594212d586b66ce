"""Notifications about runs and budgets: the right people get them, once, whatever process dies in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail as django_mail
from django.utils import timezone

from accounts import jobs, notifications
from accounts.models import Membership, Notification, OutgoingMail, Role, Team, User
from agents.services import agents
from billing.models import Budget
from tasks.models import HumanRequest, Run, RunStatus
from tasks.services import answers, notices, runs
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, start_run
from tests.periodic import run_periodic_jobs

pytestmark = pytest.mark.django_db
NOW = timezone.now


@pytest.fixture
def ask(team: Team, alice: User) -> Callable[..., HumanRequest]:
    def make(kind: str = "question", by: User | None = alice, options: Any = None, **more: Any) -> HumanRequest:
        agent = AgentFactory(team=team, name="Ana", version__options=options or {})
        status = RunStatus.NEEDS_REVIEW if kind == "review" else RunStatus.WAITING
        waits = "" if kind == "review" else kind
        run = RunFactory(agent=agent, status=status, waiting_kind=waits, created_by=by, title="Refunds in May")
        return HumanRequestFactory(run=run, kind=kind, **more)

    return make


def told() -> set[tuple[str, str, str]]:
    rows = Notification.objects.select_related("person")
    return {(row.person.email.partition("@")[0], row.kind, row.title) for row in rows}


def make_due() -> None:
    OutgoingMail.objects.update(next_try_at=NOW() - timedelta(seconds=1))


def deliver() -> list[tuple[str, str]]:
    """Send the due mails. Return (address, subject) of each."""
    before = len(django_mail.outbox)
    make_due()
    jobs.send_mails()
    return [(message.to[0], message.subject) for message in django_mail.outbox[before:]]


def statuses() -> list[tuple[str, str]]:
    return list(OutgoingMail.objects.values_list("status", "error"))


def test_a_question_is_told_to_the_starter_in_the_bell_and_after_a_minute_by_mail(
    ask: Callable[..., HumanRequest], bob: User, charlie: User
) -> None:
    asked = ask(title="Which column?")

    notices.notify_pending()
    jobs.send_mails()

    row = Notification.objects.get()
    assert (row.person.email, row.kind, row.title) == ("alice@example.com", "needs_you", "Ana has a question")
    assert (row.detail, row.subject_label) == ("Which column?", "Refunds in May")
    assert row.url == f"/t/acme/requests/{asked.pk}/"
    assert (row.subject_type, row.subject_id) == ("humanrequest", str(asked.pk))
    assert django_mail.outbox == []
    waits = OutgoingMail.objects.get().next_try_at - row.created_at
    assert timedelta(seconds=59) < waits < timedelta(seconds=61)

    assert deliver() == [("alice@example.com", "Ana has a question: Refunds in May")]
    assert deliver() == []


def test_sweeping_again_tells_nobody_twice(ask: Callable[..., HumanRequest]) -> None:
    ask()
    run_periodic_jobs()
    run_periodic_jobs()
    HumanRequest.objects.update(notified_at=None)
    run_periodic_jobs()

    assert Notification.objects.count() == OutgoingMail.objects.count() == 1


def test_a_process_that_dies_while_it_tells_leaves_it_to_the_next_sweep(
    ask: Callable[..., HumanRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask()
    with monkeypatch.context() as dying:
        dying.setattr("accounts.mail.OutgoingMail.objects.create", lambda **_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            notices.notify_pending()
    assert (Notification.objects.count(), HumanRequest.objects.filter(notified_at=None).count()) == (0, 1)

    notices.notify_pending()

    assert Notification.objects.count() == OutgoingMail.objects.count() == 1


def test_what_was_answered_within_the_minute_is_not_mailed_and_leaves_the_count(
    ask: Callable[..., HumanRequest], alice: User, team: Team
) -> None:
    asked = ask()
    notices.notify_pending()

    answers.answer_request(asked=asked, actor=alice, answer={"value": "May"})

    assert deliver() == []
    assert statuses() == [("dropped", "It has been dealt with.")]
    assert Notification.objects.for_team(team).shown_to(alice, {"runs:read"}).unread().count() == 0
    assert Notification.objects.get().settled_at is not None


@pytest.mark.parametrize("end", ["expired", "cancelled"])
def test_a_request_that_ends_otherwise_leaves_the_bell_with_the_next_sweep(
    ask: Callable[..., HumanRequest], alice: User, end: str
) -> None:
    asked = ask()
    notices.notify_pending()
    if end == "expired":
        HumanRequest.objects.update(expires_at=NOW() - timedelta(seconds=1))
    else:
        runs.cancel_run(run=asked.run, actor=alice)

    run_periodic_jobs()

    assert Notification.objects.get().settled_at is not None
    assert deliver() == []


def test_a_mail_that_is_due_before_the_sweep_looks_at_the_request_itself(ask: Callable[..., HumanRequest]) -> None:
    ask()
    notices.notify_pending()
    HumanRequest.objects.update(status="void")

    assert deliver() == []
    assert statuses() == [("dropped", "It is void.")]


def test_what_was_read_in_the_bell_is_not_mailed(ask: Callable[..., HumanRequest], alice: User, team: Team) -> None:
    ask()
    notices.notify_pending()

    notifications.mark_read(team=team, person=alice, actions={"runs:read"})

    assert deliver() == []
    assert statuses() == [("dropped", "It was read in Deskhand.")]


def test_who_was_removed_gets_nothing(ask: Callable[..., HumanRequest], alice: User, bob: User, team: Team) -> None:
    ask(by=bob)
    notices.notify_pending()
    Membership.objects.filter(user=bob).delete()
    ask(by=bob)

    notices.notify_pending()

    assert deliver() == [("alice@example.com", "Ana has a question: Refunds in May")]  # told to admins
    assert ("dropped", "They are no longer in the team.") in statuses()
    assert Notification.objects.filter(person=bob).count() == 1


def test_a_role_that_sees_no_runs_is_told_of_none(ask: Callable[..., HumanRequest], bob: User) -> None:
    Membership.objects.filter(user=bob).update(role=Role.BILLING)
    ask(by=bob)

    notices.notify_pending()

    assert told() == {("alice", "needs_you", "Ana has a question")}


def test_an_approval_is_told_to_whom_the_agent_names(
    ask: Callable[..., HumanRequest], alice: User, bob: User, charlie: User
) -> None:
    ask("approval", options={"approvers": ["BOB@example.com", "charlie@example.com"]})

    notices.notify_pending()

    assert told() == {(who, "needs_you", "Ana asks for approval") for who in ("alice", "bob")}


@pytest.mark.parametrize("today", [{"approvers": ["bob@example.com"]}, {"four_eyes": True}])
def test_an_approval_of_a_fork_is_told_to_whom_the_agent_names_today(
    ask: Callable[..., HumanRequest], alice: User, bob: User, today: dict[str, Any]
) -> None:
    """Ask for approval in a fork: the person who started it may not decide."""
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    run = ask("approval").run
    agents.update_agent(agent=run.agent, actor=alice, changes={"options": today})

    Run.objects.filter(pk=run.pk).update(forked_at_step=0)
    notices.notify_pending()

    assert told() == {(who, "needs_you", "Ana asks for approval") for who in ("alice", "bob")}


def test_a_second_pair_of_eyes_is_told_to_the_admins(ask: Callable[..., HumanRequest], alice: User, bob: User) -> None:
    ask("approval", by=bob, options={"four_eyes": True})

    notices.notify_pending()

    assert told() == {(who, "needs_you", "Ana asks for approval") for who in ("alice", "bob")}


@pytest.mark.parametrize(("scope", "who"), [("run", {"bob"}), ("agent", {"alice", "bob"}), ("team", {"alice", "bob"})])
def test_a_run_that_waits_for_money_is_told_to_who_can_give_it(
    ask: Callable[..., HumanRequest], alice: User, bob: User, scope: str, who: set[str]
) -> None:
    ask("budget", by=bob, arguments={"scope": scope})

    notices.notify_pending()

    assert told() == {(name, "needs_you", "Ana waits for money") for name in who}


def end(team: Team, by: User, status: str, **more: Any) -> Run:
    agent = AgentFactory(team=team, name="Ana")
    given = {"finished_at": NOW(), "created_by": by, "title": "Refunds in May"} | more
    return RunFactory(agent=agent, status=status, **given)


def test_a_run_that_failed_is_told_to_its_starter_at_once(team: Team, alice: User, bob: User) -> None:
    run = end(team, bob, "failed", error_detail="The model refused \x1b[31mtwice\x1b[0m.")

    notices.notify_pending()
    notices.notify_pending()

    row = Notification.objects.get()
    assert (row.person, row.kind, row.title) == (bob, "failed", "Ana could not finish")
    assert (row.detail, row.url) == ("The model refused twice.", f"/t/acme/runs/{run.pk}/")
    assert deliver() == [("bob@example.com", "Ana could not finish: Refunds in May")]


def test_ends_that_nobody_has_to_hear_of_are_not_told(team: Team, alice: User) -> None:
    for status in ("succeeded", "cancelled", "rejected"):
        end(team, alice, status)
    end(team, alice, "failed", finished_at=NOW() - timedelta(days=2))

    notices.notify_pending()

    assert Notification.objects.exists() is False


def test_who_asks_for_it_hears_of_success(alice: User, team: Team) -> None:
    agent = AgentFactory(team=team, name="Ana")
    before = start_run(team=team, actor=alice, agent=agent, prompt="Look")
    notifications.choose(person=alice, choices={"finished": ["app"]})
    after = start_run(team=team, actor=alice, agent=agent, prompt="Look again")
    for run in (before, after):
        Run.objects.filter(pk=run.pk).update(status="succeeded", finished_at=NOW())

    notices.notify_pending()

    row = Notification.objects.get()
    assert (row.kind, row.title, row.subject_id) == ("finished", "Ana is done", str(after.pk))
    assert OutgoingMail.objects.exists() is False


def test_a_budget_tells_who_looks_after_money_at_80_and_100_percent_and_again_when_it_was_raised(
    team: Team, alice: User, bob: User, other_team: Team, charlie: User
) -> None:
    MembershipFactory(team=team, role=Role.BILLING, user__email="carol@example.com")
    budget = Budget.objects.create(
        team=team, limit_usd=Decimal(10), spent_usd=Decimal(8), period=NOW().date().replace(day=1), warned_at=NOW()
    )
    both = {"alice", "carol"}

    notices.notify_pending()
    notices.notify_pending()
    assert told() == {(who, "budget", "Acme has spent 80% of its budget") for who in both}

    Budget.objects.update(spent_usd=Decimal(10))
    notices.notify_pending()
    notices.notify_pending()
    assert len(told()) == 4
    assert {(who, "budget", "Acme has spent its whole budget") for who in both} <= told()
    assert Notification.objects.filter(title__contains="whole").first().detail.startswith("$10.00 of $10.00")  # type: ignore[union-attr]

    Budget.objects.filter(pk=budget.pk).update(limit_usd=Decimal(12), warned_at=NOW() + timedelta(seconds=5))
    notices.notify_pending()
    assert Notification.objects.filter(title__contains="80%").count() == 4


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_sweeper_whose_clock_is_wrong_tells_and_mails_at_the_right_times(
    ask: Callable[..., HumanRequest], team: Team, alice: User, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ask()
    budget = Budget.objects.create(
        team=team, limit_usd=Decimal(10), spent_usd=Decimal(8), period=NOW().date().replace(day=1), warned_at=NOW()
    )
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW() + timedelta(hours=hours))

    notices.notify_pending()
    jobs.send_mails()

    assert [message.subject for message in django_mail.outbox] == ["Acme has spent 80% of its budget: Acme"]
    asked.refresh_from_db()
    budget.refresh_from_db()
    times = [asked.notified_at, budget.warning_notified_at, *Notification.objects.values_list("created_at", flat=True)]
    times.append(OutgoingMail.objects.get(status="waiting").next_try_at - timedelta(minutes=1))
    assert len(times) == 5
    assert all(at and abs(at - NOW()) < timedelta(minutes=1) for at in times)


def test_each_person_chooses_by_kind(ask: Callable[..., HumanRequest], team: Team, alice: User, bob: User) -> None:
    notifications.choose(person=alice, choices={"needs_you": ["mail"], "failed": []})
    notifications.choose(person=bob, choices={"needs_you": ["app"]})
    end(team, alice, "failed")
    ask()
    ask(by=bob)

    notices.notify_pending()

    assert deliver() == [("alice@example.com", "Ana has a question: Refunds in May")]
    assert set(Notification.objects.values_list("person__email", "kind", "is_shown")) == {
        ("alice@example.com", "needs_you", False),
        ("bob@example.com", "needs_you", True),
    }
    assert Run.objects.filter(status="failed", notified_at=None).exists() is False


def test_who_switches_mail_off_meanwhile_gets_none(ask: Callable[..., HumanRequest], alice: User) -> None:
    ask()
    notices.notify_pending()

    notifications.switch_mail_off(person=alice, kind=notifications.NoticeKind.NEEDS_YOU)

    assert deliver() == []
    assert statuses() == [("dropped", "They do not want mail about this any more.")]
    alice.refresh_from_db()
    assert alice.notice_channels == {"needs_you": ["app"]}
