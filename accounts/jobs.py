"""Celery jobs. Each may come twice, late or never."""

from __future__ import annotations

import threading
import time

from celery import shared_task

from accounts import mail, queue

LONGEST_S = 60.0
_slots = threading.BoundedSemaphore(2)
"""A mail server that does not answer may hold two threads of a worker; the others go on with the runs."""


@shared_task(name=queue.SEND_MAILS, acks_late=False)
def send_mails() -> None:
    """Send what is due, for a minute at most; the sweep sees what is left."""
    if not _slots.acquire(blocking=False):
        return  # those who are at it take the new ones too
    try:
        until = time.monotonic() + LONGEST_S
        while mail.send_next() and time.monotonic() < until:
            pass
    finally:
        _slots.release()
