"""Celery jobs of accounts. A message may arrive twice, late or never."""

from __future__ import annotations

import threading
import time

from celery import shared_task

from accounts import mail, queue
from accounts.services import job_runner

LONGEST_S = 60.0
"""Seconds that one job sends mails; the next message or periodic job continues."""
_slots = threading.BoundedSemaphore(2)
"""Worker threads that a hanging mail server may hold. The others go on with the runs."""


@shared_task(name=queue.SEND_MAILS, acks_late=False)
def send_mails() -> None:
    """Send the due mails for at most LONGEST_S seconds. The periodic sweep finds the rest."""
    if not _slots.acquire(blocking=False):
        return  # the threads that hold the slots send the new mails too
    try:
        until = time.monotonic() + LONGEST_S
        while mail.send_next() and time.monotonic() < until:
            pass
    finally:
        _slots.release()


@shared_task(name=queue.RUN_PERIODIC_JOBS, acks_late=False)
def run_periodic_jobs() -> None:
    """Start the periodic jobs that are due, on threads of their own. Which those are stands in the database.

    The message has no time at which it expires: a worker whose clock is wrong would throw all of them away.
    """
    job_runner.get_runner().start_due()
