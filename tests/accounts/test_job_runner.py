"""Periodic jobs: each by its own interval, in one process at a time, without waiting for another lane."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from accounts.models import PeriodicJob
from accounts.periodic_jobs import JOBS, Job
from accounts.services import job_runner
from accounts.services.job_runner import JobRunner
from tests.tasks.scripted import until
from tests.timeouts import PATIENCE_S

pytestmark = pytest.mark.django_db(transaction=True)


class Jobs:
    """Jobs of one test, with their calls, and as many runners as it wants: each stands for a process."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.calls: list[str] = []
        self.go_on = threading.Event()
        self.runners: list[JobRunner] = []

    def add(self, name: str, run: Callable[[], object] | None = None, *, every_s: float = 5, lane: str = "a") -> None:
        def call() -> None:
            self.calls.append(name)
            if run is not None:
                run()

        self.jobs[name] = Job(name=name, run=call, every_s=every_s, lane=lane)

    def hang(self) -> None:
        assert self.go_on.wait(PATIENCE_S)

    def process(self) -> JobRunner:
        self.runners.append(JobRunner(self.jobs))
        return self.runners[-1]

    def run_due(self) -> None:
        runner = self.process()
        runner.start_due()
        until(runner.is_idle)

    def state(self, name: str) -> job_runner.JobState:
        return {state.name: state for state in job_runner.states(self.jobs)}[name]


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.go_on.set()
    for runner in made.runners:
        runner.stop()
    until(lambda: all(runner.is_idle() for runner in made.runners))


def make_due(name: str, *, by_s: float = 0) -> None:
    PeriodicJob.objects.filter(pk=name).update(due_at=Now() - timedelta(seconds=by_s))


def test_each_job_runs_by_its_own_interval(jobs: Jobs) -> None:
    jobs.add("often", every_s=5)
    jobs.add("seldom", every_s=3600)
    jobs.run_due()
    jobs.run_due()
    assert jobs.calls == ["often", "seldom"]

    PeriodicJob.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    make_due("seldom", by_s=-3500)
    jobs.run_due()

    assert jobs.calls == ["often", "seldom", "often"]
    row = PeriodicJob.objects.get(pk="often")
    assert row.ended_at is not None
    assert row.due_at - row.ended_at == timedelta(seconds=5)
    assert (row.locked_until, row.claim, row.failures) == (None, None, 0)


def test_a_job_that_hangs_keeps_no_other_lane_from_running(jobs: Jobs) -> None:
    jobs.add("store", jobs.hang, lane="store")
    jobs.add("due_runs", lane="tasks")
    runner = jobs.process()

    for wanted in (1, 2, 3):
        make_due("due_runs")
        until(lambda: runner.start_due() or jobs.calls.count("due_runs") == wanted)  # noqa: B023
        until(lambda: PeriodicJob.objects.get(pk="due_runs").claim is None)

    assert jobs.calls.count("store") == 1
    assert jobs.state("store").running_s is not None
    assert jobs.state("store").succeeded_at is None


def test_two_processes_never_run_one_job_at_once(jobs: Jobs) -> None:
    jobs.add("store", jobs.hang)
    first, *others = (jobs.process() for _ in range(3))
    first.start_due()
    until(lambda: jobs.calls == ["store"])
    make_due("store", by_s=100)

    for other in others:
        other.start_due()
        until(other.is_idle)
    assert jobs.calls == ["store"]

    jobs.go_on.set()
    until(first.is_idle)
    others[0].start_due()
    until(others[0].is_idle)
    assert jobs.calls == ["store"]  # the first one has ended, and the next turn is 5 s away


def test_processes_that_look_at_the_same_moment_run_each_job_once(jobs: Jobs) -> None:
    for name in "abcdef":
        jobs.add(name, lane=name)
    runners = [jobs.process() for _ in range(4)]
    runners[0]._add_rows()
    barrier = threading.Barrier(4)

    def look(runner: JobRunner) -> None:
        barrier.wait(PATIENCE_S)
        runner.start_due()
        connection.close()

    threads = [threading.Thread(target=look, args=[runner]) for runner in runners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    until(lambda: all(runner.is_idle() for runner in runners))

    assert sorted(jobs.calls) == list("abcdef")


def test_the_lease_of_a_long_job_is_renewed_and_that_of_a_dead_process_ends(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runner, "RENEW_S", 0.02)
    jobs.add("long", jobs.hang)
    first, second = jobs.process(), jobs.process()
    first.start_due()
    until(lambda: jobs.calls == ["long"])
    began = PeriodicJob.objects.get(pk="long").locked_until
    until(lambda: PeriodicJob.objects.get(pk="long").locked_until > began)
    assert jobs.calls == ["long"]

    first.stop()  # no more renewals: so does a process that is paused or dead
    until(lambda: first._renewer is not None and not first._renewer.is_alive())
    PeriodicJob.objects.update(locked_until=Now() - timedelta(seconds=1), due_at=Now())
    second.start_due()
    until(lambda: jobs.calls == ["long", "long"])
    mine = PeriodicJob.objects.get(pk="long").claim
    jobs.go_on.set()
    until(lambda: first.is_idle() and second.is_idle())

    row = PeriodicJob.objects.get(pk="long")
    assert mine is not None
    assert (row.claim, row.locked_until, row.failures) == (None, None, 0)


def test_a_job_that_raises_is_logged_counted_shown_and_tried_again(
    jobs: Jobs, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        if jobs.calls.count("bad") < 3:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1/0 /* postgres://x:secret-word@db */")

    jobs.add("bad", fail, every_s=3600)
    jobs.add("good")
    caplog.set_level(logging.ERROR)
    jobs.run_due()
    bad = jobs.state("bad")
    assert (bad.failures, bad.succeeded_at, bad.running_s) == (1, None, None)
    assert bad.error.startswith("DivisionByZero") or bad.error.startswith("DataError")
    assert "secret-word" not in bad.error
    assert "periodic job bad failed" in caplog.text
    assert jobs.state("good").failures == 0
    row = PeriodicJob.objects.get(pk="bad")
    assert row.ended_at is not None
    assert row.due_at - row.ended_at == timedelta(seconds=job_runner.RETRY_S)  # not in an hour

    make_due("bad")
    jobs.run_due()
    assert jobs.state("bad").failures == 2
    make_due("bad")
    jobs.run_due()

    again = jobs.state("bad")
    assert (again.failures, again.error, again.succeeded_at is not None) == (0, "", True)
    assert jobs.calls == ["bad", "good", "bad", "bad"]


def test_lateness_counts_from_the_turn_and_goes_on_while_a_job_hangs(jobs: Jobs) -> None:
    jobs.add("store", jobs.hang)
    assert jobs.state("store").overdue_s == 0  # never run, and no row yet
    jobs.process().start_due()
    until(lambda: jobs.calls == ["store"])
    assert jobs.state("store").is_late is False

    make_due("store", by_s=100)

    late = jobs.state("store")
    assert late.is_late
    assert late.overdue_s >= 100
    assert late.running_s is not None


def test_a_runner_that_stops_starts_nothing_more(jobs: Jobs) -> None:
    jobs.add("one")
    runner = jobs.process()
    runner.stop()

    runner.start_due()

    assert runner.is_idle()
    assert jobs.calls == []


def test_every_app_has_registered_its_jobs_and_what_waits_for_others_has_a_lane_of_its_own() -> None:
    lanes = {name: job.lane for name, job in JOBS.items()}

    assert lanes["storage.delete_expired_files"] == "storage.store"
    assert lanes["accounts.wake_mailer"] == "accounts.mail"
    assert lanes["accounts.save_audit_checkpoints"] == "accounts.store"
    assert lanes["tasks.start_due_runs"] == "tasks"
    assert {name.partition(".")[0] for name in JOBS} == {"accounts", "storage", "tasks"}


def test_beat_forgets_the_entries_that_this_version_replaces(settings: Any) -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=5, period="seconds")
    for name in ("tasks.sweep", "accounts.save_checkpoints", "of.an.operator"):
        PeriodicTask.objects.create(name=name, task=name, interval=every)

    with connection.cursor() as cursor:
        cursor.execute(import_module("accounts.migrations.0011_periodic_jobs").DELETE_REPLACED)

    assert list(PeriodicTask.objects.values_list("name", flat=True)) == ["of.an.operator"]
