"""Names of accounts' jobs. A message is a hint and may arrive twice, late or never."""

from __future__ import annotations

import logging

from celery import current_app

log = logging.getLogger(__name__)

SEND_MAILS = "accounts.send_mails"
RUN_PERIODIC_JOBS = "accounts.run_periodic_jobs"


def wake_mailer() -> None:
    """Send a message to mail what is due.

    Never raises: without a broker the sweep finds the rows. The message has no expiry: a worker whose clock is a
    minute wrong would drop all of them.
    """
    try:
        current_app.send_task(SEND_MAILS, ignore_result=True)
    except Exception as error:  # kombu raises many kinds; none may fail a committed change
        log.warning("could not wake the mailer: %s", error)
