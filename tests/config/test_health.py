"""Health pages: every real service is asked, and each failure has its own sentence."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import redis
from django.conf import settings as live_settings
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import PeriodicJob, User
from accounts.periodic_jobs import JOBS
from config.pages import health

NOWHERE = 1


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEEP_S", 0.0)


@pytest.fixture
def everything_runs(settings: Any, transactional_db: None) -> Iterator[redis.Redis]:
    """Heartbeat of a worker and periodic jobs that have just started, as they are written."""
    # A prefix of its own: engines of other tests write heartbeats under the usual one, and those outlive them by 20 s.
    settings.REDIS_PREFIX = f"{live_settings.REDIS_PREFIX}health:"
    valkey = redis.Redis.from_url(f"{live_settings.REDIS_URL}/0")
    key = f"{live_settings.REDIS_PREFIX}worker:here:1"
    valkey.set(key, json.dumps({"runs": 0, "at": time.time()}), ex=20)
    now = timezone.now()
    rows = [PeriodicJob(name=name, started_at=now, due_at=now + timedelta(minutes=1)) for name in JOBS]
    PeriodicJob.objects.bulk_create(rows)
    yield valkey
    valkey.delete(key)


def ask() -> tuple[int, dict[str, Any], list[str]]:
    answer = Client().get("/health/ready/")
    checks = {check.name: asdict(check) for check in health.recent()}
    return answer.status_code, checks, answer.json()["failing"]


def test_live_needs_no_part(db_is_away: Callable[[], None]) -> None:
    db_is_away()

    answer = Client().get("/health/live/")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_when_every_part_answers(everything_runs: redis.Redis) -> None:
    status, checks, failing = ask()

    assert (status, failing) == (200, [])
    assert list(checks) == [
        *("database", "migrations", "valkey", "object_store", "workers", "clock"),
        *("periodic_jobs", "processor", "disk", "sandbox", "model"),
    ]
    assert checks["database"]["detail"] == "PostgreSQL 18 answers."
    assert checks["migrations"]["detail"] == "Every migration is applied."
    assert checks["workers"]["detail"] == "1 worker is alive."
    assert checks["model"] == {
        "name": "model",
        "ok": False,
        "required": False,
        "detail": "There is no ANTHROPIC_API_KEY: agents work with the demo model.",
        "ms": checks["model"]["ms"],
    }


@pytest.fixture
def db_is_away(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Function that points the database settings at a port where nothing listens."""

    def away() -> None:
        monkeypatch.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        monkeypatch.setitem(connection.settings_dict, "PORT", str(NOWHERE))

    return away


def test_ready_names_the_database(everything_runs: redis.Redis, db_is_away: Callable[[], None]) -> None:
    db_is_away()

    status, checks, failing = ask()

    assert (status, failing) == (503, ["database", "migrations", "clock"])
    assert checks["database"]["detail"].startswith("PostgreSQL does not answer.")
    assert checks["valkey"]["ok"] is True


def test_ready_names_valkey(everything_runs: redis.Redis, settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{NOWHERE}"

    status, checks, failing = ask()

    assert (status, failing) == (503, ["valkey", "workers"])
    assert checks["valkey"]["detail"].startswith("Valkey does not answer.")


def test_ready_names_the_object_store(everything_runs: redis.Redis, settings: Any) -> None:
    broken = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": "/proc/nowhere"}}
    settings.STORAGES = settings.STORAGES | {"default": broken}

    status, checks, failing = ask()

    assert (status, failing) == (503, ["object_store"])
    assert checks["object_store"]["detail"].startswith("The object store cannot be written to.")


def test_a_starved_worker_is_named_and_takes_nothing_from_being_ready(everything_runs: redis.Redis) -> None:
    assert ask()[1]["processor"]["ok"] is True

    state = {"runs": 3, "at": time.time(), "processor_share": 0.043}
    everything_runs.set(f"{live_settings.REDIS_PREFIX}worker:here:1", json.dumps(state), ex=20)
    status, checks, failing = ask()

    assert (status, failing) == (200, [])
    assert checks["processor"]["detail"].startswith("The machine gives 1 of 1 workers 4% of the processor time")


def test_a_disk_with_little_room_is_named_and_takes_nothing_from_being_ready(
    everything_runs: redis.Redis, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    assert ask()[1]["disk"]["ok"] is True

    monkeypatch.setattr(health, "DISK_LITTLE_MB", 10**9)
    status, checks, failing = ask()

    assert (status, failing, checks["disk"]["ok"]) == (200, [], False)
    assert checks["disk"]["detail"].startswith("Only ")
    settings.VAR_DIR = Path("/proc/nowhere")
    assert ask()[1]["disk"]["detail"] == "The data folder cannot be looked at."


def test_ready_names_a_lack_of_workers_and_a_late_clock(everything_runs: redis.Redis) -> None:
    everything_runs.delete(f"{live_settings.REDIS_PREFIX}worker:here:1")
    PeriodicJob.objects.update(started_at=timezone.now() - timedelta(seconds=61))

    status, checks, failing = ask()

    assert (status, failing) == (503, ["workers", "clock"])
    assert checks["workers"]["detail"].startswith("No worker is alive.")
    assert checks["clock"]["detail"].startswith("No periodic job has started for 60 seconds.")


def test_jobs_that_fail_or_are_late_are_named_and_take_nothing_from_being_ready(everything_runs: redis.Redis) -> None:
    assert ask()[1]["periodic_jobs"]["detail"] == f"All {len(JOBS)} periodic jobs run on time."

    PeriodicJob.objects.filter(pk="tasks.expire_requests").update(failures=2, error="ValueError: poison")
    hour_ago = timezone.now() - timedelta(hours=1)
    PeriodicJob.objects.filter(pk="storage.delete_expired_files").update(due_at=hour_ago)
    status, checks, failing = ask()

    assert (status, failing, checks["periodic_jobs"]["ok"]) == (200, [], False)
    said = "storage.delete_expired_files is late, tasks.expire_requests failed."
    assert sorted(checks["periodic_jobs"]["detail"].split(". ")[0].split(", ")) == sorted(said.rstrip(".").split(", "))


def test_operators_see_each_job_with_its_lateness_and_its_last_error(everything_runs: redis.Redis, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    now = timezone.now()
    late = PeriodicJob.objects.filter(pk="storage.delete_expired_files")
    late.update(
        due_at=now - timedelta(seconds=3600), started_at=now, locked_until=now + timedelta(hours=1), claim=uuid4()
    )
    PeriodicJob.objects.filter(pk="tasks.expire_requests").update(failures=2, error="ValueError: poison")
    browser = Client()
    browser.force_login(alice)

    page = browser.get("/admin/health/").content.decode()

    rows = {row.partition("</a>")[0].rpartition(">")[2]: row for row in page.split("<tr>") if "periodicjob" in row}
    assert rows.keys() >= JOBS.keys()
    assert re.search(r"late by 360\d s</strong>, running for \d+ s", rows["storage.delete_expired_files"])
    assert "<td>3600 s</td>" in rows["storage.delete_expired_files"]
    assert "on time" in rows["tasks.start_due_runs"]
    assert "<td>2</td><td>ValueError: poison</td>" in rows["tasks.expire_requests"]


def test_ready_names_a_migration_that_is_missing(everything_runs: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_known_migrations", lambda: frozenset({("tasks", "0999_future")}))

    status, checks, failing = ask()

    assert (status, failing) == (503, ["migrations"])
    assert "tasks.0999_future" in checks["migrations"]["detail"]


def test_a_part_that_hangs_is_not_waited_for(everything_runs: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def _hangs() -> str:
        go_on.wait(60)
        return ""

    monkeypatch.setattr(health, "PATIENCE_S", 0.2)
    monkeypatch.setattr(health, "REQUIRED", (_hangs,))
    monkeypatch.setattr(health, "OPTIONAL", ())

    status, checks, _ = ask()
    go_on.set()

    assert status == 503
    assert checks["_hangs"]["detail"] == "No answer within 0 seconds."


def test_answers_are_kept_for_a_second(everything_runs: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "KEEP_S", 60.0)
    assert health.recent() is health.recent()


def test_probes_of_several_web_processes_at_once_do_not_disturb_each_other() -> None:
    with ThreadPoolExecutor(8) as pool:
        said = [found.result() for found in [pool.submit(health.object_store) for _ in range(40)]]

    assert set(said) == {"The object store keeps what it is given."}
    assert not [name for name in default_storage.listdir("health")[1] if name.startswith("probe")]
