"""Health checks: `/health/live/` answers if this process does, `/health/ready/` names failing services."""

from __future__ import annotations

import functools
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswer
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from uuid import uuid4

import psycopg
import redis
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from redis.backoff import NoBackoff
from redis.retry import Retry

from accounts.services import job_runner
from config.embedded.disk import free_bytes
from tasks import async_db

PATIENCE_S = 4.0
KEEP_S = 1.0
"""Seconds that results are reused, so that frequent requests cost nothing."""
DISK_LITTLE_MB = 500
AWAY = """
SELECT model, failing_since AT TIME ZONE 'UTC', error FROM tasks_modelcircuit
WHERE opened_at IS NOT NULL ORDER BY opened_at
"""
QUIET = "SELECT extract(epoch FROM now() - max(started_at))::float FROM accounts_periodicjob"
PROBE, CONTENT = "health/probe", b"deskhand"


class Down(Exception):
    """A service is not healthy. The message is one sentence for an operator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    name: str
    ok: bool
    required: bool
    """True if Deskhand cannot work without it."""
    detail: str
    ms: int


def database() -> str:
    try:
        with psycopg.connect(async_db.conninfo(), connect_timeout=3) as db:
            version = db.info.server_version // 10_000
            db.execute("SELECT 1")
    except psycopg.Error as error:
        raise Down("PostgreSQL does not answer. Everything waits for it; nothing is lost.") from error
    return f"PostgreSQL {version} answers."


def migrations() -> str:
    try:
        with psycopg.connect(async_db.conninfo(), connect_timeout=3) as db:
            done = set(db.execute("SELECT app, name FROM django_migrations").fetchall())
    except psycopg.Error as error:
        raise Down("Nobody knows, because PostgreSQL does not answer.") from error
    missing = sorted(f"{app}.{name}" for app, name in _known_migrations() - done)
    if missing:
        raise Down(f"{len(missing)} migrations are not applied, {missing[0]} first. Run manage.py migrate.")
    return "Every migration is applied."


def valkey() -> str:
    try:
        info = valkey_client().info("server")
    except (redis.RedisError, OSError) as error:
        raise Down("Valkey does not answer. Runs go on; live pages are up to two seconds late.") from error
    return f"Valkey {info.get('valkey_version') or info.get('redis_version')} answers."


def object_store() -> str:
    """Write, read and delete one object: a store that is full or read-only is down.

    Each probe has its own name: several web processes ask at the same time.
    """
    try:
        name = default_storage.save(f"{PROBE}-{uuid4()}", ContentFile(CONTENT))
        try:
            with default_storage.open(name) as file:
                kept = file.read()
        finally:
            default_storage.delete(name)
    except Exception as error:
        raise Down("The object store cannot be written to. Files cannot be uploaded or delivered.") from error
    if kept != CONTENT:
        raise Down("The object store does not give back what it was given.")
    return "The object store keeps what it is given."


def workers() -> str:
    try:
        alive = sum(1 for _ in valkey_client().scan_iter(f"{settings.REDIS_PREFIX}worker:*", count=1000))
    except (redis.RedisError, OSError) as error:
        raise Down("Nobody knows, because Valkey does not answer.") from error
    if not alive:
        raise Down("No worker is alive. Runs wait in the queue until one starts.")
    return "1 worker is alive." if alive == 1 else f"{alive} workers are alive."


def processor() -> str:
    """Report workers without processor time: a starved worker looks like a hanging one."""
    try:
        valkey = valkey_client()
        live = [valkey.get(name) for name in valkey.scan_iter(f"{settings.REDIS_PREFIX}worker:*", count=1000)]
    except (redis.RedisError, OSError) as error:
        raise Down("Nobody knows, because Valkey does not answer.") from error
    shares = [share for state in live if state and (share := json.loads(state).get("processor_share")) is not None]
    if shares:
        raise Down(
            f"The machine gives {len(shares)} of {len(live)} workers {min(shares):.0%} of the processor time that they "
            "ask for, so runs crawl. Other programs take it; see DESKHAND_WORKER_NICE."
        )
    return "Workers get the processor time that they ask for."


def clock() -> str:
    """Look at when any periodic job last started: beat or the workers may be away."""
    try:
        with psycopg.connect(async_db.conninfo(), connect_timeout=3) as db:
            (quiet_s,) = db.execute(QUIET).fetchone() or (None,)
    except psycopg.Error as error:
        raise Down("Nobody knows, because PostgreSQL does not answer.") from error
    if quiet_s is None or quiet_s > job_runner.LATE_S:
        raise Down(
            f"No periodic job has started for {job_runner.LATE_S:.0f} seconds. "
            "Scheduled starts and lost messages wait for beat and a worker."
        )
    return "Periodic jobs are started."


def periodic_jobs() -> str:
    try:
        found = job_runner.states()
    except DatabaseError as error:
        raise Down("Nobody knows, because PostgreSQL does not answer.") from error
    finally:
        connection.close()
    problems = [f"{job.name} {'is late' if job.is_late else 'failed'}" for job in found if job.is_late or job.failures]
    if problems:
        raise Down(f"{', '.join(problems)}. The others run; the table below and the worker's log say why.")
    return f"All {len(found)} periodic jobs run on time."


def disk() -> str:
    """Check the disk of the data folder: on a full disk nothing is lost, but nothing runs either."""
    left = free_bytes(settings.VAR_DIR)
    if left is None:
        raise Down("The data folder cannot be looked at.")
    if left < DISK_LITTLE_MB * 1_000_000:
        raise Down(f"Only {left // 1_000_000} MB are left on the disk of {settings.VAR_DIR}. Make room.")
    return f"{left / 1e9:.1f} GB are left on the disk of the data folder."


def sandbox() -> str:
    can_run, why = import_module("tools.sandbox").status()
    if not can_run:
        raise Down(f"Code cannot be run: {why}")
    return why or "Code runs in the sandbox."


def model() -> str:
    if not settings.ANTHROPIC_API_KEY:
        raise Down("There is no ANTHROPIC_API_KEY: agents work with the demo model.")
    try:
        with psycopg.connect(async_db.conninfo(), connect_timeout=3) as db:
            away = db.execute(AWAY).fetchall()
    except psycopg.Error as error:
        raise Down("Nobody knows, because PostgreSQL does not answer.") from error
    if away:
        outages = "; ".join(f"{name} since {since:%H:%M} UTC ({kind})" for name, since, kind in away)
        raise Down(f"No answer from {outages}. Runs wait for it and go on by themselves.")
    return "There is a key for Anthropic's models."


REQUIRED: Sequence[Callable[[], str]] = (database, migrations, valkey, object_store, workers, clock)
OPTIONAL: Sequence[Callable[[], str]] = (periodic_jobs, processor, disk, sandbox, model)


def check_all() -> list[Check]:
    """Run all checks concurrently, each within PATIENCE_S seconds."""
    pool = ThreadPoolExecutor(len(REQUIRED) + len(OPTIONAL), thread_name_prefix="health")
    end = time.monotonic() + PATIENCE_S
    asked = [(part, pool.submit(_timed, part)) for part in (*REQUIRED, *OPTIONAL)]
    found = [_outcome(part, answer, end) for part, answer in asked]
    pool.shutdown(wait=False, cancel_futures=True)
    return found


@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """Return the status and the names of failing services only; versions, counts and reasons are for operators
    (/admin/health/).
    """
    checks = recent()
    failing = [check.name for check in checks if check.required and not check.ok]
    content = {"status": "failing" if failing else "ok", "failing": failing}
    return JsonResponse(content, status=503 if failing else 200, headers={"Retry-After": "5"} if failing else {})


_lock = threading.Lock()
_kept: tuple[float, list[Check]] = (float("-inf"), [])


def recent() -> list[Check]:
    """Return results at most KEEP_S seconds old. Concurrent callers wait for one run of the checks."""
    global _kept
    with _lock:
        if time.monotonic() - _kept[0] > KEEP_S:
            found = check_all()
            _kept = (time.monotonic(), found)
        return _kept[1]


@functools.cache
def _known_migrations() -> frozenset[tuple[str, str]]:
    """Return the migrations of the code, squashed ones left out: those are recorded under the names they replace."""
    known: Any = MigrationLoader(None).disk_migrations
    return frozenset(key for key, migration in known.items() if not migration.replaces)


def _timed(part: Callable[[], str]) -> Check:
    began = time.monotonic()
    ok = False
    try:
        detail, ok = part(), True
    except Down as down:
        detail = str(down)
    except Exception as error:
        detail = f"The check itself failed: {type(error).__name__}."
    return _check(part, ok, detail, time.monotonic() - began)


def _outcome(part: Callable[[], str], answer: Future[Check], end: float) -> Check:
    try:
        return answer.result(timeout=max(0.0, end - time.monotonic()))
    except NoAnswer:
        return _check(part, False, f"No answer within {PATIENCE_S:.0f} seconds.", PATIENCE_S)


def _check(part: Callable[[], str], ok: bool, detail: str, seconds: float) -> Check:
    return Check(name=part.__name__, ok=ok, required=part in REQUIRED, detail=detail, ms=round(seconds * 1000))


def valkey_client() -> redis.Redis:
    return redis.Redis.from_url(
        f"{settings.REDIS_URL}/0", socket_timeout=2, socket_connect_timeout=2, retry=Retry(NoBackoff(), 0)
    )
