"""Number of commits of a run. It has five turns of the model and four tool calls, as in the benchmark."""

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
    """Return the id of the next writing transaction. Asking consumes one too."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text::bigint")
        (number,) = cursor.fetchone()
    return int(number)


def test_a_run_of_nine_calls_is_at_most_one_commit_for_each_and_two(
    scripted: Callable[..., Scripted], start: Callable[..., Run], settings: Any
) -> None:
    """Count the commits of a run: claim, one before each call, end.

    The one before a call includes the results of the call before. The start, before the count begins, is one more.
    docs/performance.md promises two for each call and four.
    """
    settings.ENGINE = settings.ENGINE | {"heartbeat_s": 60.0}
    progress = {"total": 4, "label": "Reading"}
    moves = [[say(f"Step {n}."), call("report_progress", f"toolu_{n}", done=n, **progress)] for n in range(1, 5)]
    scripted(*moves, [say("Done.")])
    counted = []
    for _ in range(3):  # take the minimum: PostgreSQL's own maintenance may write in between
        run = start("report_progress")
        before = transactions()
        with engine():
            settled(run, "succeeded")
        counted.append(transactions() - before - 1)
        told = types(run)
        assert (told.count("model.finished"), told.count("tool.finished")) == (5, 4)

    assert min(counted) <= CALLS + 2
