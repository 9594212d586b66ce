"""Limits of the machine: a Valkey round trip, a durable commit, an empty Celery job."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis
from django.db import connection

from tests.bench.figures import Figure, latency, percentile, timed
from tests.faults.installation import ROOT, Installation

NO_OP = "Celery no-op round trip"
COMMITS = 3000
"""Commits to measure. Half of them warm up: a growing write-ahead log waits for the disk longer than a recycled one."""


def measure(_desk: Installation) -> list[Figure]:
    return [*_parts(), *_celery_noop()]


def _parts() -> list[Figure]:
    valkey = redis.Redis.from_url(os.environ["REDIS_URL"])
    valkey.ping()
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE bench (id bigserial, text text)")
        commits = timed(COMMITS, lambda: cursor.execute("INSERT INTO bench (text) VALUES ('x')"))[COMMITS // 2 :]
        cursor.execute("DROP TABLE bench")
    return [
        Figure(name="Valkey round trip p50", value=percentile(timed(500, valkey.ping), 0.5)),
        Figure(name="one durable commit p50", value=percentile(commits, 0.5)),
    ]


def _celery_noop() -> list[Figure]:
    with no_op() as there_and_back:
        return latency(NO_OP, timed(200, there_and_back))


@contextmanager
def no_op() -> Iterator[Callable[[], None]]:
    """Yield a function that sends an empty job and waits until it ran."""
    with _worker():
        from tests.bench.noop import noop

        valkey = redis.Redis.from_url(os.environ["BENCH_BROKER"])

        def there_and_back() -> None:
            name = uuid.uuid4().hex
            noop.delay(name)
            for _ in range(60):
                if valkey.blpop([name], timeout=1):
                    return
            raise RuntimeError("the no-op worker does not answer")

        there_and_back()  # the worker is up from here on
        yield there_and_back


@contextmanager
def _worker() -> Iterator[None]:
    os.environ["BENCH_BROKER"] = f"{os.environ['REDIS_URL'].rstrip('/')}/2"
    options = ["-A", "tests.bench.noop", "worker", "-P", "threads", "-c", "4", "-l", "ERROR"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", *options], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        worker.terminate()
        worker.wait(20)
