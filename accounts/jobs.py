"""Celery jobs of accounts. A message may arrive twice, late or never."""

from __future__ import annotations

import threading
import time

from celery import shared_task
from django.core.cache import cache

from accounts import mail, queue
from accounts.services import audit_checkpoints

LONGEST_S = 60.0
"""Seconds that one job sends mails; the next message or sweep continues."""
CHECKPOINTS_FOR_S = 300
"""Lifetime in seconds of the lock, if its worker dies or the store hangs."""
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


@shared_task(name=queue.SAVE_CHECKPOINTS, acks_late=False)
def save_checkpoints() -> None:
    """Write due audit checkpoints to the file store, one worker at a time.

    The lock ends after CHECKPOINTS_FOR_S, also if the store hangs.
    """
    if cache.add("accounts:save_checkpoints", 1, timeout=CHECKPOINTS_FOR_S):
        try:
            audit_checkpoints.save_due()
        finally:
            cache.delete("accounts:save_checkpoints")
