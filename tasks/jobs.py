"""Celery jobs. Each may come twice, late or never."""

from __future__ import annotations

import gc
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from django.core.cache import cache

from agents.runtimes import warm_up
from tasks import queue
from tasks.engine import driver
from tasks.services import periodic


@shared_task(name=queue.EXECUTE_RUN, acks_late=True, reject_on_worker_lost=True)
def execute_run(run_id: str) -> None:
    """Wake this worker's driver for the run. The lease in Postgres protects the run, not this message."""
    driver.get_driver().wake(UUID(run_id))


@shared_task(name=queue.SWEEP)
def sweep() -> None:
    """Housekeeping, every few seconds: what is due, what was lost, what expired.

    The message has no time at which it expires: a worker whose clock is wrong would throw all of them away. Of many
    that waited for a worker the first sweeps.
    """
    if not cache.add(queue.SWEEPING, 1, timeout=queue.SWEEP_AGAIN_S):
        return
    failed = periodic.sweep()
    cache.set(queue.LAST_SWEEP_KEY, 1, timeout=queue.SWEEP_LATE_S)
    cache.set(queue.FAILED_SWEEP_PARTS_KEY, failed, timeout=3600)


@worker_ready.connect
def _start_driver(**_: object) -> None:
    warm_up()
    driver.get_driver()
    spare_collector()


def spare_collector() -> None:
    """Keep the garbage collector from walking through all modules, and every few milliseconds through all runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 20)


@worker_shutting_down.connect
def _stop_driver(**_: object) -> None:
    driver.get_driver().stop()
