"""Bulk actions on runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from accounts.models import User
from tasks.models import Run
from tasks.services import runs

pytestmark = pytest.mark.django_db(transaction=True)


def test_bulk_cancel_and_retry_say_what_they_did(start: Callable[..., Run], alice: User) -> None:
    first, second, over = start(), start(), start()
    over.move_to("failed", error_code="internal")

    done, ended = runs.cancel_runs(runs=[first, over, second], actor=alice)

    assert (done, ended) == ([first, second], [over])
    assert sorted(Run.objects.values_list("status", flat=True)) == ["cancelled", "cancelled", "failed"]
    live = start()
    done = runs.retry_runs(runs=[first, live], actor=alice)
    assert ([run.retry_of for run in done.new], done.refused, done.with_effects) == ([first], [live], {})
    assert (done.new[0].status, done.new[0].attempt) == ("queued", 2)
