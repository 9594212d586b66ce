"""Periodic jobs of runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from accounts.models import OutgoingMail, PeriodicJob, Team, User
from accounts.services import job_runner
from billing.models import Budget
from storage import services as storage
from storage.models import StoredFile
from tasks.models import HumanRequest, Run, RunInput
from tasks.services import periodic
from tests.factories import AgentFactory, RunFactory, start_run
from tests.periodic import run_periodic_jobs
from tests.standins.between import between_us_and_the_store
from tests.tasks.scripted import types, until

pytestmark = pytest.mark.django_db(transaction=True)
NOW = timezone.now


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    sent: list[object] = []
    monkeypatch.setattr("tasks.queue.wake_run", sent.append)
    return sent


@pytest.mark.promise("G11")
def test_a_scheduled_run_starts_once_when_it_is_due(alice: User, wakes: list[object]) -> None:
    agent = AgentFactory(team=alice.teams.get())
    run = start_run(team=agent.team, actor=alice, agent=agent, prompt="Go", start_at=NOW() + timedelta(hours=1))
    assert (run.status, wakes) == ("scheduled", [])
    run_periodic_jobs()
    run.refresh_from_db()
    assert run.status == "scheduled"

    Run.objects.filter(pk=run.pk).update(start_at=NOW())
    run_periodic_jobs()
    run_periodic_jobs()

    run.refresh_from_db()
    assert (run.status, types(run)) == ("queued", ["run.created", "run.queued", "run.queued"])
    assert wakes == [run.pk]


@pytest.mark.parametrize(
    ("team_budget", "agent_budget", "goes_on"),
    [
        ({"spent_usd": "0.98"}, None, 0),
        ({"spent_usd": "0.98", "period": date(2026, 1, 1)}, None, 2),  # a new month
        ({"reserved_usd": "0.96"}, None, 0),
        ({"reserved_usd": "0.92"}, None, 1),  # room for one of the two
        ({}, {"spent_usd": "0.98"}, 0),
        ({}, {"spent_usd": "0.90"}, 2),
    ],
)
def test_runs_that_wait_for_money_go_on_when_there_is_room(
    start: Callable[..., Run], wakes: list[object], team_budget: dict[str, Any], agent_budget: Any, goes_on: int
) -> None:
    first, second = start(), start()
    Run.objects.update(status="waiting", waiting_kind="budget", agent=first.agent)
    for given, agent_id in ((team_budget, None), (agent_budget, first.agent_id)):
        if given is not None:
            values = {"limit_usd": "1.00", "period": NOW().date().replace(day=1)} | given
            Budget.objects.create(team=first.team, agent_id=agent_id, **values)
    for run in (first, second):
        about = {"scope": "team", "needed_usd": "0.05"}
        HumanRequest.objects.create(team=run.team, run=run, kind="budget", title="Money?", arguments=about)

    run_periodic_jobs()

    runs_now = list(Run.objects.order_by("pk").values_list("status", flat=True))
    assert runs_now == ["queued"] * goes_on + ["waiting"] * (2 - goes_on)
    assert HumanRequest.objects.open().filter(notified_at__isnull=False).count() == 2 - goes_on
    assert Budget.objects.get(agent_id=None).reserved_usd == Decimal(team_budget.get("reserved_usd", "0"))


def test_many_runs_without_room_keep_no_run_of_another_team_waiting(
    start: Callable[..., Run], other_team: Team, wakes: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(periodic, "BATCH", 1)
    poor, rich = start(), RunFactory(agent=AgentFactory(team=other_team))
    Run.objects.update(status="waiting", waiting_kind="budget")
    month = NOW().date().replace(day=1)
    for run, limit_usd in ((poor, "0.01"), (rich, "1.00")):
        Budget.objects.create(team=run.team, limit_usd=limit_usd, period=month)
        about = {"scope": "team", "needed_usd": "0.05"}
        HumanRequest.objects.create(team=run.team, run=run, kind="budget", title="Money?", arguments=about)

    run_periodic_jobs()

    assert [Run.objects.get(pk=run.pk).status for run in (poor, rich)] == ["waiting", "queued"]


@pytest.mark.parametrize("days", [-40, 40])
def test_a_new_month_begins_by_the_clock_of_the_database(
    start: Callable[..., Run], wakes: list[object], days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shift the machine's clock.

    Reservations use the database's clock; a sweep by another one would wake the run again and again.
    """
    spent, earlier = start(), start()
    Run.objects.update(status="waiting", waiting_kind="budget")
    month = NOW().date().replace(day=1)
    for run, period in ((spent, month), (earlier, (month - timedelta(days=1)).replace(day=1))):
        values = {"limit_usd": "1.00", "spent_usd": "0.98", "agent_id": run.agent_id, "period": period}
        Budget.objects.create(team=run.team, **values)
        about = {"scope": "agent", "needed_usd": "0.05"}
        HumanRequest.objects.create(team=run.team, run=run, kind="budget", title="Money?", arguments=about)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW() + timedelta(days=days))

    periodic.resume_within_budget()

    assert [Run.objects.get(pk=run.pk).status for run in (spent, earlier)] == ["waiting", "queued"]


def test_a_request_that_nobody_answered_expires_and_the_run_goes_on(
    start: Callable[..., Run], wakes: list[object]
) -> None:
    run = start()
    Run.objects.filter(pk=run.pk).update(status="waiting", waiting_kind="question")
    asked = HumanRequest.objects.create(
        team=run.team, run=run, kind="question", title="Which?", expires_at=NOW() - timedelta(seconds=1)
    )

    run_periodic_jobs()
    run_periodic_jobs()

    run.refresh_from_db()
    asked.refresh_from_db()
    assert (asked.status, run.status, run.waiting_kind) == ("expired", "queued", "")
    assert types(run)[2:] == ["human.expired", "run.queued"]


@pytest.mark.promise("admission")
def test_a_run_that_no_worker_took_expires(start: Callable[..., Run], wakes: list[object]) -> None:
    run = start()
    Run.objects.filter(pk=run.pk).update(queue_expires_at=NOW())

    run_periodic_jobs()

    run.refresh_from_db()
    assert (run.status, types(run)[-1]) == ("expired", "run.finished")


@pytest.mark.promise("G2")
def test_lost_messages_and_dead_workers_wake_a_worker(start: Callable[..., Run], wakes: list[object]) -> None:
    run = start()
    wakes.clear()
    run_periodic_jobs()
    assert wakes == []

    Run.objects.filter(pk=run.pk).update(queued_at=NOW() - timedelta(seconds=10))
    run_periodic_jobs()

    assert len(wakes) == 1


@pytest.mark.promise("G11")
@pytest.mark.parametrize("hours", [-1, 1])
def test_what_is_due_is_so_by_the_clock_of_the_database(
    alice: User, start: Callable[..., Run], wakes: list[object], hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = AgentFactory(team=alice.teams.get())
    made = [
        start_run(team=agent.team, actor=alice, agent=agent, prompt="Go", start_at=NOW() + timedelta(hours=1))
        for _ in range(2)
    ]
    soon, due = NOW() + timedelta(minutes=30), NOW() - timedelta(minutes=30)
    for run, at in zip(made, (soon, due), strict=True):
        Run.objects.filter(pk=run.pk).update(start_at=at)
    late = start()
    Run.objects.filter(pk=late.pk).update(queue_expires_at=due)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW() + timedelta(hours=hours))

    run_periodic_jobs()

    monkeypatch.undo()
    found = [Run.objects.get(pk=run.pk) for run in (*made, late)]
    assert [run.status for run in found] == ["scheduled", "queued", "expired"]
    told = (*found[1].events.filter(seq=3), found[2].events.get(type="run.finished"))
    times = [found[1].queued_at, found[2].finished_at, *(event.at for event in told)]
    assert len(told) == 2
    assert all(at and abs(at - NOW()) < timedelta(minutes=1) for at in times)


def test_a_store_that_hangs_delays_neither_due_runs_nor_mails(
    team: Team, alice: User, wakes: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    mails: list[str] = []
    monkeypatch.setattr("accounts.queue.wake_mailer", lambda: mails.append("wake"))
    monkeypatch.setattr(job_runner, "LATE_S", 0.0)
    storage.save_file(team_id=team.pk, content=b"x", name="old", expires_at=NOW() - timedelta(days=1))
    agent = AgentFactory(team=team)
    run = start_run(team=team, actor=alice, agent=agent, prompt="Go", start_at=NOW() + timedelta(hours=1))
    Run.objects.filter(pk=run.pk).update(start_at=NOW())
    OutgoingMail.objects.create(to="alice@example.com", template="invitation")
    runner = job_runner.JobRunner()

    with between_us_and_the_store(read_timeout_s=10) as store:
        store.fail("silent")
        runner.start_due()
        until(lambda: store.hit["silent"] and Run.objects.filter(pk=run.pk, status="queued").exists() and mails)
        states = {state.name: state for state in job_runner.states()}
        store.fail("")
        until(runner.is_idle)

    hanging = states["storage.delete_expired_files"]
    assert (hanging.succeeded_at, hanging.is_late, hanging.running_s is not None) == (None, True, True)
    assert states["tasks.start_due_runs"].failures == 0
    run.refresh_from_db()
    ended = PeriodicJob.objects.get(pk="storage.delete_expired_files").ended_at
    assert run.queued_at is not None
    assert ended is not None
    assert run.queued_at < ended
    assert (wakes, mails) == ([run.pk], ["wake"])


def test_files_whose_time_is_over_are_deleted(team: Team, start: Callable[..., Run], wakes: list[object]) -> None:
    def old(name: str) -> StoredFile:
        return storage.save_file(team_id=team.pk, content=b"x", name=name, expires_at=NOW() - timedelta(days=1))

    used = old("used")
    RunInput.objects.create(run=start(), file=used, name="used")
    gone = old("gone")

    run_periodic_jobs()

    assert not default_storage.exists(gone.key)
    used.refresh_from_db()
    assert used.expires_at is not None
    assert used.expires_at > NOW()
