"""Workers whose clocks are an hour ahead and an hour behind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from tasks.engine.human_requests import EXPIRES_AFTER
from tasks.models import HumanRequest, Run, RunEvent
from tests.chaos.installation import SITE
from tests.tasks.conftest import start
from tests.tasks.scripted import settled, types, until
from tests.timeouts import PATIENCE_S

__all__ = ["start"]
HOUR_S = 3600
NAMES = {"before": -HOUR_S, "after": HOUR_S}


@pytest.fixture
def workers(transactional_db: None) -> Iterator[None]:
    """Two processes like those of an installation, with short leases, on this test's database."""
    program = (sys.executable, "-W", "ignore", "-m", "celery", "-A", "config", "worker", "-P", "threads", "-c", "1")
    engine = {"DESKHAND_LEASE_S": "9", "DESKHAND_HEARTBEAT_S": "1", "DESKHAND_POLL_S": "0.5"}
    processes = [
        subprocess.Popen(
            [*program, "--without-mingle", "--without-gossip", "-n", f"{name}@%h"],
            env=os.environ
            | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DESKHAND_MAX_RUNS_PER_WORKER": "3"}
            | {"PYTHONPATH": str(SITE), "DESKHAND_TEST_CLOCK_SHIFT_S": str(shift)}
            | engine,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, shift in NAMES.items()
    ]
    yield
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.promise("G3")
@pytest.mark.usefixtures("workers")
def test_workers_with_wrong_clocks_share_the_runs_and_leave_each_other_theirs(start: Callable[..., Run]) -> None:
    began = timezone.now() - timedelta(minutes=1)
    asking = [start("report_progress", policies={"report_progress": "ask"}) for _ in range(4)]
    runs = [start("report_progress") for _ in range(6)]
    version = runs[0].version.__class__.objects
    version.update(options={"script": "slow", "delay_s": 2.0, "turns": 5})  # longer than a lease

    for run in runs:
        settled(run, "succeeded", seconds=2 * PATIENCE_S)

    assert len(set(Run.objects.values_list("worker", flat=True))) == 2
    for run in runs:
        assert (run.epoch, run.recoveries, types(run).count("attempt.lost")) == (1, 0, 0)
    assert not RunEvent.objects.exclude(at__range=(began, timezone.now() + timedelta(minutes=1))).exists()

    until(lambda: HumanRequest.objects.filter(run__in=asking).count() == len(asking))
    for asked in HumanRequest.objects.all():
        assert asked.expires_at
        assert abs(asked.expires_at - asked.asked_at - EXPIRES_AFTER) < timedelta(minutes=1)
