"""Jobs of accounts by name. A message is a hint and may come twice, late or never."""

from __future__ import annotations

import logging

from celery import current_app

log = logging.getLogger(__name__)

SEND_MAILS = "accounts.send_mails"
SAVE_CHECKPOINTS = "accounts.save_checkpoints"


def wake_mailer() -> None:
    """Have the mails sent that are due. A broker that is down costs seconds: the sweep looks at the table too.

    The message has no time at which it expires: a worker whose clock is a minute wrong would throw all of them away.
    """
    try:
        current_app.send_task(SEND_MAILS, ignore_result=True)
    except Exception as error:  # kombu raises many kinds; none of them may fail a committed change
        log.warning("could not wake the mailer: %s", error)
