"""Names of jobs: every enqueued name is registered, because Celery drops unknown ones silently."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import pytest
from django.conf import settings

from config.celery import app
from tests.architecture.code import APPS

NAMES = {
    value
    for name in APPS
    if find_spec(f"{name}.queue")
    for constant, value in vars(import_module(f"{name}.queue")).items()
    if constant.isupper() and isinstance(value, str) and value.startswith(f"{name}.")
}


@pytest.fixture(scope="module")
def registered() -> set[str]:
    app.loader.import_default_modules()
    return {name for name in app.tasks if name.partition(".")[0] in APPS}


def test_every_name_in_a_queue_module_is_a_registered_job(registered):
    assert len(NAMES) >= 2
    assert NAMES - registered == set()


def test_every_job_is_named_in_its_queue_module(registered):
    assert registered - NAMES == set()


def test_every_scheduled_job_is_registered(registered):
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}

    assert scheduled - registered == set()


def test_every_queue_that_is_written_to_is_read_by_the_workers():
    read = set(settings.CELERY_TASK_QUEUES)
    written = {
        value
        for name in APPS
        if find_spec(f"{name}.queue")
        for constant, value in vars(import_module(f"{name}.queue")).items()
        if constant.endswith("_QUEUE")
    }

    assert written - read == set()
