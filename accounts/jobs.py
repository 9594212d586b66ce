"""Celery jobs. Each may come twice, late or never."""

from __future__ import annotations

import threading
import time

from celery import shared_task
from django.core.cache import cache

from accounts import mail, queue
from accounts.services import audit_checkpoints

LONGEST_S = 60.0
CHECKPOINTS_FOR_S = 300
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


@shared_task(name=queue.SAVE_CHECKPOINTS, acks_late=False)
def save_checkpoints() -> None:
    """Keep the ends of the audit log in the file store. One worker at a time, which a store that hangs may hold."""
    if cache.add("accounts:save_checkpoints", 1, timeout=CHECKPOINTS_FOR_S):
        try:
            audit_checkpoints.save_due()
        finally:
            cache.delete("accounts:save_checkpoints")
