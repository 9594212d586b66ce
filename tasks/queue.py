"""Jobs by name, so that services can enqueue what lies above them.

A message is a wake-up and may come twice, late or never.
"""

from __future__ import annotations

import logging
from functools import partial
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError

from tasks import stream

log = logging.getLogger(__name__)

EXECUTE_RUN = "tasks.execute_run"
SWEEP = "tasks.sweep"
RUNS_QUEUE = "runs"
SWEPT = "swept"
"""In the cache: when the clock last swept, in seconds since 1970."""
NOT_SWEPT = "not_swept"
"""In the cache: the parts of the last sweep that failed."""
UNHEARD_MS = 500
"""A wake-up that was not heard for so long may be lost: the next run sends another one."""
EXPIRES_S = 60
_CALLING = f"{settings.REDIS_PREFIX}calling"


def enqueue_run(run_id: UUID) -> None:
    """Wake a worker for the run once the transaction has committed."""
    transaction.on_commit(partial(wake_run, run_id))


def wake_run(run_id: UUID) -> None:
    """Wake a worker now, unless a wake-up is on its way that nobody has heard yet: whoever hears it looks at the table
    after this commit. A broker that is down costs seconds, not the run: the workers poll the table too.
    """
    try:
        if stream.valkey().set(_CALLING, 1, nx=True, px=UNHEARD_MS):
            current_app.send_task(
                EXECUTE_RUN, args=[str(run_id)], queue=RUNS_QUEUE, ignore_result=True, expires=EXPIRES_S
            )
    except Exception as error:  # kombu raises many kinds; none of them may fail a committed change
        log.warning("could not wake a worker for run %s: %s", run_id, error)


def heard() -> None:
    """A worker heard the wake-up and looks at the table next; what is enqueued from now on needs another one."""
    try:
        stream.valkey().delete(_CALLING)
    except RedisError as error:
        log.warning("could not say that a wake-up was heard: %s", error)
