"""How often a run makes the database write to disk: the bench's run, five turns of the model and four tool calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from tasks.models import Run
from tests.tasks.scripted import Scripted, call, engine, say, settled, types

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
CALLS = 9


def transactions() -> int:
    """The number of the next transaction that writes; those that only read have none. Asking takes one, too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (number,) = cursor.fetchone()
    return int(number)


def test_a_run_of_nine_calls_is_at_most_one_commit_for_each_and_two(
    scripted: Callable[..., Scripted], start: Callable[..., Run], settings: Any
) -> None:
    """One to claim it, one before each call with all that the call before it settled, one at its end.

    Its start, before the count begins, is one more. The promise of docs/performance.md is two for each call and four.
    """
    settings.ENGINE = settings.ENGINE | {"heartbeat_s": 60.0}
    progress = {"total": 4, "label": "Reading"}
    moves = [[say(f"Step {n}."), call("report_progress", f"toolu_{n}", done=n, **progress)] for n in range(1, 5)]
    scripted(*moves, [say("Done.")])
    counted = []
    for _ in range(3):  # the least counts: PostgreSQL's own housekeeping may write in between
        run = start("report_progress")
        before = transactions()
        with engine():
            settled(run, "succeeded")
        counted.append(transactions() - before - 1)
        told = types(run)
        assert (told.count("model.finished"), told.count("tool.finished")) == (5, 4)

    assert min(counted) <= CALLS + 2
