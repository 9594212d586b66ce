"""Run the periodic jobs of all apps, each by its own interval and in one process at a time. No lane waits for another.

Beat's message only says "look". What is due stands in the table, by the database's clock, so a lost or repeated
message changes nothing. A job is claimed by a lease on its row. The process renews the lease while the job runs,
however long it takes; when the process dies, the job is free again after LEASE_S. A process that was paused for longer
than that finds its lease gone when it wakes up, which is why jobs also lock the rows that they work on.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from accounts.masking import mask
from accounts.models import PeriodicJob
from accounts.periodic_jobs import JOBS, Job

log = logging.getLogger(__name__)

LEASE_S = 30.0
RENEW_S = 8.0
"""Three renewals may fail before a lease ends."""
SLACK = timedelta(seconds=1)
"""A job that is due within this time starts now: the next look is seconds away."""
RETRY_S = 60.0
"""Longest wait after a failure. Jobs with a shorter interval keep it."""
LATE_S = 60.0
"""A job that should have ended its turn so long ago is late. Longer than a worker's restart."""


class JobRunner:
    """One for each worker process. Threads are daemons: a job that hangs does not keep the process from ending."""

    def __init__(self, jobs: Mapping[str, Job] = JOBS) -> None:
        self._jobs = jobs
        self._lock = threading.Lock()
        self._lanes: set[str] = set()
        self._running: dict[str, UUID] = {}
        self._stopped = threading.Event()
        self._renewer: threading.Thread | None = None

    def start_due(self) -> None:
        """Start a thread for each lane that has something due and none at work here. Returns at once."""
        if self._stopped.is_set():
            return
        self._add_rows()
        names = PeriodicJob.objects.due(SLACK).filter(name__in=self._jobs).values_list("name", flat=True)
        for lane in {self._jobs[name].lane for name in names}:
            with self._lock:
                if lane in self._lanes:
                    continue
                self._lanes.add(lane)
            threading.Thread(target=self._drive, args=[lane], name=f"periodic {lane}", daemon=True).start()

    def stop(self) -> None:
        """Start no more jobs. Those that run go on for as long as the process lives."""
        self._stopped.set()

    def is_idle(self) -> bool:
        with self._lock:
            return not self._lanes

    # ---- One lane

    def _drive(self, lane: str) -> None:
        """Run what is due in the lane, the longest overdue first, until nothing is."""
        names = [name for name, job in self._jobs.items() if job.lane == lane]
        try:
            while not self._stopped.is_set() and (claimed := self._claim(names)):
                self._run(*claimed)
        except DatabaseError as error:
            log.warning("periodic jobs of %s wait for the database: %s", lane, error)
        finally:
            connection.close()
            with self._lock:
                self._lanes.discard(lane)

    def _claim(self, names: Collection[str]) -> tuple[Job, UUID] | None:
        claim = uuid4()
        with transaction.atomic():
            due = PeriodicJob.objects.due(SLACK).filter(name__in=names)
            row = due.order_by("due_at").select_for_update(skip_locked=True).first()
            if row is None:
                return None
            PeriodicJob.objects.filter(pk=row.pk).update(
                claim=claim, started_at=Now(), locked_until=Now() + timedelta(seconds=LEASE_S)
            )
        return self._jobs[row.name], claim

    def _run(self, job: Job, claim: UUID) -> None:
        with self._lock:
            self._running[job.name] = claim
            if self._renewer is None:
                self._renewer = threading.Thread(target=self._renew, name="periodic leases", daemon=True)
                self._renewer.start()
        try:
            error = run_once(job)
            if error:
                connection.close()  # whatever the job left open ends with it
            self._note_end(job, claim, error)
        finally:
            with self._lock:
                del self._running[job.name]

    def _note_end(self, job: Job, claim: UUID, error: str) -> None:
        pause = timedelta(seconds=min(job.every_s, RETRY_S) if error else job.every_s)
        result = {"failures": F("failures") + 1} if error else {"failures": 0, "succeeded_at": Now()}
        free = {"locked_until": None, "claim": None}
        mine = PeriodicJob.objects.filter(name=job.name, claim=claim)
        if not mine.update(error=error, ended_at=Now(), due_at=Now() + pause, **result, **free):
            log.warning("periodic job %s lost its lease before it ended", job.name)

    def _renew(self) -> None:
        while not self._stopped.wait(RENEW_S):
            with self._lock:
                claims = list(self._running.values())
            if claims:
                with suppress(DatabaseError):  # the next round tries again
                    until = Now() + timedelta(seconds=LEASE_S)
                    PeriodicJob.objects.filter(claim__in=claims).update(locked_until=until)
            connection.close()

    def _add_rows(self) -> None:
        """Make a row for each job that has none. A new job is due at once."""
        known = set(PeriodicJob.objects.filter(name__in=self._jobs).values_list("name", flat=True))
        new = [name for name in self._jobs if name not in known]
        if new:  # microseconds apart: the first round keeps the order of registration
            rows = [PeriodicJob(name=name, due_at=Now() + timedelta(microseconds=n)) for n, name in enumerate(new)]
            PeriodicJob.objects.bulk_create(rows, ignore_conflicts=True)


def run_once(job: Job) -> str:
    """Run the job now, in this thread. Return "", or the error that it raised, logged and masked."""
    began = time.monotonic()
    try:
        job.run()
    except Exception as error:
        log.exception("periodic job %s failed after %.1f s; it is tried again", job.name, time.monotonic() - began)
        return mask(f"{type(error).__name__}: {error}")[:300]
    return ""


@functools.cache
def get_runner() -> JobRunner:
    """Return the runner of this process."""
    return JobRunner()


# ---- What operators see


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    name: str
    every_s: float
    succeeded_at: datetime | None
    running_s: float | None
    """Seconds since its start; None if it is not running."""
    overdue_s: float
    """Seconds since its start was due, running or not; 0 before that."""
    failures: int
    error: str

    @property
    def is_late(self) -> bool:
        return self.overdue_s > LATE_S


def states(jobs: Mapping[str, Job] = JOBS) -> list[JobState]:
    """Return the state of every registered job, in the order of registration. A job without a row has never run."""
    rows = {row.name: row for row in PeriodicJob.objects.filter(name__in=jobs).annotate(now=Now())}
    return [_state(job, rows.get(name)) for name, job in jobs.items()]


def _state(job: Job, row: PeriodicJob | None) -> JobState:
    if row is None:
        row = PeriodicJob(name=job.name)
        row.now = row.due_at  # type: ignore[attr-defined]
    now: datetime = row.now  # type: ignore[attr-defined]
    is_running = row.claim is not None and row.locked_until is not None and row.locked_until > now
    return JobState(
        name=job.name,
        every_s=job.every_s,
        succeeded_at=row.succeeded_at,
        running_s=(now - row.started_at).total_seconds() if is_running and row.started_at else None,
        overdue_s=max(0.0, (now - row.due_at).total_seconds()),
        failures=row.failures,
        error=row.error if row.failures else "",
    )
