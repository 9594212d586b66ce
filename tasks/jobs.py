"""Celery jobs of tasks. A message may arrive twice, late or never."""

from __future__ import annotations

import gc
import os
import threading
import time
from uuid import UUID

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down
from celery.worker import state
from django.conf import settings

from accounts.services import job_runner
from agents.runtimes import warm_up
from tasks import queue
from tasks.engine import driver

GOODBYE_S = 5.0
"""Seconds in which a worker that has handed over its runs may finish the rest."""


@shared_task(name=queue.EXECUTE_RUN, acks_late=True, reject_on_worker_lost=True)
def execute_run(run_id: str) -> None:
    """Wake this worker's driver for the run. The lease in Postgres protects the run, not this message."""
    driver.get_driver().wake(UUID(run_id))


@worker_ready.connect
def _start_driver(**_: object) -> None:
    warm_up()
    driver.get_driver()
    spare_collector()


def spare_collector() -> None:
    """Keep the garbage collector from walking all modules, and every few milliseconds all runs."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 20)


@worker_shutting_down.connect
def _stop_driver(**_: object) -> None:
    job_runner.get_runner().stop()
    driver.get_driver().stop()
    threading.Thread(target=_exit_when_idle, name="leave", daemon=True).start()


def _exit_when_idle() -> None:
    """End the process when only the farewell to an unresponsive broker is left.

    Celery waits for the broker once for each message that it holds; unacknowledged ones are delivered again. Running
    jobs get the same time as the steps of runs.
    """
    time.sleep(GOODBYE_S)
    end = time.monotonic() + settings.ENGINE["drain_s"]
    while state.active_requests and time.monotonic() < end:
        time.sleep(0.1)
    os._exit(0)
