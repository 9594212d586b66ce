"""Celery application that only answers: the bare limit of the broker."""

from __future__ import annotations

import os

import redis
from celery import Celery

app = Celery("noop", broker=os.environ["BENCH_BROKER"])
app.conf.update(task_ignore_result=True, task_default_queue="bench", worker_prefetch_multiplier=1)
app.conf.broker_transport_options = {"global_keyprefix": "bench:"}
_valkey = redis.Redis.from_url(os.environ["BENCH_BROKER"])


@app.task(name="bench.noop")
def noop(reply_to: str) -> None:
    """Answer on the given list."""
    _valkey.lpush(reply_to, "1")
