"""Deletion of an agent, which stops its work."""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain

import pytest

from accounts.models import User
from agents import hooks
from agents.services.agents import remove_agent
from tasks.models import Run, Task
from tests.factories import RunFactory, TaskFactory

pytestmark = pytest.mark.django_db(transaction=True)


def test_deleting_an_agent_stops_its_work_and_nobody_elses(start: Callable[..., Run], alice: User) -> None:
    run, other = start(), start()
    task = TaskFactory(agent=run.agent, team=run.team)
    done = RunFactory(agent=run.agent, team=run.team)
    done.move_to("cancelled")
    assert list(chain.from_iterable(hooks.agent_dependents(agent=run.agent))) == [
        "1 live run is cancelled; work so far is kept and paid.",
        "1 task goes away; finished runs stay.",
    ]

    remove_agent(agent=run.agent, actor=alice)

    run.refresh_from_db()
    other.refresh_from_db()
    assert (run.status, other.status) == ("cancelled", "queued")
    assert not Task.objects.present().filter(pk=task.pk).exists()
    assert Run.objects.filter(pk=done.pk).exists()
