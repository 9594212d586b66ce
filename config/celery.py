"""Celery application. `autodiscover` finds each app's `jobs.py`."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import after_setup_logger, after_setup_task_logger

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("deskhand")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(related_name="jobs")


@after_setup_logger.connect  # type: ignore[untyped-decorator]
@after_setup_task_logger.connect  # type: ignore[untyped-decorator]
def mask_celery_logs(**_: Any) -> None:
    """Mask the log handlers that Celery adds after Django has configured logging."""
    from config.logs import mask_handlers  # here: the settings import this module before the apps are loaded

    mask_handlers()
