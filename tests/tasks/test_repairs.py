"""Stuck runs: which, why, and repair with one click."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry, Team, User
from tasks import event_log
from tasks.events import Log
from tasks.models import HumanRequest, Run, RunEvent, RunStatus
from tasks.services import repairs
from tests.factories import RunFactory

NOW = timezone.now


@pytest.fixture
def run(team: Team) -> Run:
    return RunFactory(team=team, title="Weekly report")


def minutes_ago(minutes: float) -> Any:
    return timezone.now() - timedelta(minutes=minutes)


def work_on(run: Run, *, lease_min: float, worker: str = "desk:1") -> None:
    run.move_to(RunStatus.RUNNING, lease_expires_at=timezone.now() + timedelta(minutes=lease_min), worker=worker)


def found() -> list[tuple[str, str]]:
    return [(item.why, item.repair) for item in repairs.stuck_runs()]


def test_runs_that_get_on_are_not_shown(team: Team, run: Run) -> None:
    busy, waiting, timer, later = RunFactory.create_batch(4, team=team)
    work_on(busy, lease_min=1)
    event_log.append(busy, Log(text="still here"))
    for status, more in ((waiting, {"waiting_kind": "question"}), (timer, {"waiting_kind": "timer"})):
        work_on(status, lease_min=1)
        status.move_to(RunStatus.WAITING, start_at=minutes_ago(-5), **more)
    HumanRequest.objects.create(run=waiting, team=team, kind="question", title="Which one?")
    Run.objects.filter(pk=later.pk).update(status=RunStatus.SCHEDULED, start_at=minutes_ago(-60))

    assert found() == []


def test_a_run_that_its_worker_let_go_is_shown_when_no_other_took_it(run: Run) -> None:
    work_on(run, lease_min=1)
    Run.objects.update(lease_expires_at=datetime.fromtimestamp(0, UTC))
    assert found() == []

    Run.objects.update(status_changed_at=minutes_ago(3))
    why = "Its worker desk:1 was stopped 3\xa0minutes ago, and no other has taken over."
    assert found() == [(why, "Hand it to another worker")]


def test_a_run_whose_worker_is_gone_is_handed_on(run: Run, alice: User) -> None:
    work_on(run, lease_min=-2)
    Run.objects.update(recoveries=4)

    assert found() == [
        (
            "Its worker desk:1 stopped renewing the lease 2\xa0minutes ago, and no other has taken over. "
            "It was recovered 4 times before.",
            "Hand it to another worker",
        )
    ]
    before = run.epoch
    repaired = repairs.repair_run(run=run, actor=alice)
    assert repaired.epoch > before
    assert AuditEntry.objects.filter(action="run.requeued").count() == 1


def test_a_run_that_nobody_takes_wakes_a_worker(
    run: Run, alice: User, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    woken: list[Any] = []
    monkeypatch.setattr("tasks.queue.wake_run", woken.append)
    Run.objects.update(queued_at=minutes_ago(3))

    [(why, repair)] = found()
    with django_capture_on_commit_callbacks(execute=True):
        repairs.repair_run(run=run, actor=alice)

    assert (why[:40], repair) == ("It has waited for a worker for 3\xa0minutes", "Wake a worker")
    assert woken == [run.pk]


@pytest.mark.parametrize("status", [RunStatus.SCHEDULED, RunStatus.WAITING])
def test_a_run_that_the_clock_forgot_is_started(run: Run, alice: User, status: str) -> None:
    Run.objects.update(
        status=status, waiting_kind="timer" if status == "waiting" else "", start_at=minutes_ago(5), queued_at=None
    )

    assert found() == [("It was due 5\xa0minutes ago, and the clock did not start it.", "Start it now")]
    assert repairs.repair_run(run=run, actor=alice).status == RunStatus.QUEUED
    assert RunEvent.objects.get(run=run, type="run.queued").data["reason"] == "requeued"
    assert found() == []


def test_a_run_that_waits_for_nothing_goes_on(run: Run, alice: User) -> None:
    work_on(run, lease_min=1)
    run.move_to(RunStatus.WAITING, waiting_kind="question")

    assert found() == [("It waits for an answer, but nothing is asked.", "Let it go on")]
    assert repairs.repair_run(run=run, actor=alice).status == RunStatus.QUEUED


def test_a_run_that_is_silent_is_shown(run: Run) -> None:
    work_on(run, lease_min=1)
    event_log.append(run, Log(text="the last word"))
    RunEvent.objects.update(at=minutes_ago(25))

    assert found() == [
        ("Its worker desk:1 is alive, but nothing has happened for 25\xa0minutes.", "Hand it to another worker")
    ]


@pytest.mark.parametrize("hours", [-2, 2])
def test_an_operator_whose_server_has_a_wrong_clock_sees_and_repairs_the_same(
    team: Team, run: Run, alice: User, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, silent, busy = RunFactory.create_batch(3, team=team)
    work_on(lost, lease_min=-2)
    for alive in (silent, busy):
        work_on(alive, lease_min=1)
        event_log.append(alive, Log(text="the last word"))
    RunEvent.objects.filter(run=silent).update(at=minutes_ago(25))
    Run.objects.filter(pk=run.pk).update(queued_at=minutes_ago(3))
    right = found()
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW() + timedelta(hours=hours))

    assert (found(), len(right)) == (right, 3)
    repairs.repair_run(run=busy, actor=alice)

    assert set(Run.objects.stalled()) == {lost, busy}
    assert abs(AuditEntry.objects.get(action="run.requeued").at - NOW()) < timedelta(minutes=5)


def test_what_only_a_person_can_do_is_not_repaired(run: Run, team: Team, alice: User) -> None:
    work_on(run, lease_min=1)
    run.move_to(RunStatus.WAITING, waiting_kind="approval")
    HumanRequest.objects.create(run=run, team=team, kind="approval", title="Send it?")

    with pytest.raises(Conflict, match="waits for a person"):
        repairs.repair_run(run=run, actor=alice)

    run.move_to(RunStatus.CANCELLED)
    with pytest.raises(Conflict, match="cancelled needs no repair"):
        repairs.repair_run(run=run, actor=alice)
    assert Run.objects.get().status == RunStatus.CANCELLED
