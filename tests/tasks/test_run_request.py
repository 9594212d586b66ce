"""Requests for runs: what a start, a repetition and a fork store, in one write."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.errors import InvalidInput
from accounts.models import Team, User
from agents.services import agents
from tasks.models import Run, RunEvent, RunOrigin, RunStatus
from tasks.services import forks, runs
from tasks.services.run_request import RunRequest
from tests.factories import AgentFactory, StoredFileFactory, TaskFactory, start_run

VARIABLES = [{"name": "month", "label": "Month", "type": "text", "required": True}]


@pytest.fixture
def old(team: Team, alice: User) -> Run:
    """Failed run of a task; the agent has changed since, and the task has a smaller limit now."""
    agent = AgentFactory(team=team)
    task = TaskFactory(team=team, agent=agent, name="Report", prompt="Look at {{month}}.", variables=VARIABLES)
    files = [StoredFileFactory(team=team, name="a.csv", key=f"nowhere/same-{n}") for n in range(2)]
    limits = {"max_turns": 30}
    given: dict[str, Any] = {"variables": {"month": "May"}, "attachments": files, "limits": limits, "priority": 4}
    run = start_run(team=team, actor=alice, task=task, **given)
    task.name, task.max_turns = "Another name", 5
    task.save()
    agents.update_agent(agent=agent, actor=alice, changes={"instructions": "Be brief."})
    Run.objects.filter(pk=run.pk).update(status=RunStatus.FAILED, finished_at=timezone.now())
    return Run.objects.get(pk=run.pk)


def _created(run: Run) -> dict[str, Any]:
    data = RunEvent.objects.get(run=run, seq=1).data
    return {name: data[name] for name in ("kind", "title", "version")}


def _files(run: Run) -> list[tuple[str, str]]:
    return sorted(run.inputs.values_list("name", "file__key"))


def test_a_repetition_says_from_its_first_event_what_it_repeats(old: Run, alice: User) -> None:
    again = runs.retry_run(run=old, actor=alice)

    assert _created(again) == {"kind": "task", "title": "Report", "version": 2}
    assert (again.task, again.title, again.variables, again.prompt) == (
        old.task,
        "Report",
        {"month": "May"},
        old.prompt,
    )
    assert (again.version.number, again.max_turns, again.priority, again.attempt) == (2, 30, 4, 2)
    assert _files(again) == _files(old) == [("a 2.csv", "nowhere/same-1"), ("a.csv", "nowhere/same-0")]


def test_a_fork_and_a_replay_say_from_their_first_event_what_they_are(old: Run, alice: User) -> None:
    fork, replay = forks.fork_run(run=old, actor=alice), forks.replay_run(run=old, actor=alice)

    assert _created(fork) == {"kind": "task", "title": "Report", "version": 1}
    assert _created(replay) == {"kind": "replay", "title": "Report", "version": 1}
    for made in (fork, replay):
        stored = Run.objects.get(pk=made.pk)
        assert (stored.forked_from, stored.forked_at_step, stored.version) == (old, 0, old.version)
        assert (stored.retry_of, stored.attempt, stored.priority, _files(stored)) == (None, 1, 0, _files(old))


@pytest.mark.parametrize("act", [runs.retry_run, forks.fork_run, forks.replay_run])
def test_a_copy_is_not_patched_after_it_was_written(old: Run, alice: User, act: Any) -> None:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        act(run=old, actor=alice)

    patched = [query["sql"] for query in asked if query["sql"].startswith('UPDATE "tasks_run"')]
    assert [sql for sql in patched if "last_seq" not in sql] == []


def test_what_a_request_does_not_name_comes_from_the_task_and_the_agent(team: Team, alice: User) -> None:
    task = TaskFactory(team=team, review=True, required_artifacts=["a.txt"], max_turns=7, agent=AgentFactory(team=team))

    of_task = start_run(team=team, actor=alice, task=task)
    named = start_run(team=team, actor=alice, task=task, review=False, required_artifacts=[], limits={"max_turns": 6})

    assert (of_task.kind, of_task.review, of_task.required_artifacts, of_task.max_turns) == ("task", True, ["a.txt"], 7)
    assert (named.review, named.required_artifacts, named.max_turns) == (False, [], 6)
    assert (of_task.status, of_task.start_at) == (RunStatus.QUEUED, None)


def test_a_request_is_frozen_and_a_wrong_one_writes_nothing(team: Team, alice: User) -> None:
    asked = RunRequest(team=team, actor=alice, origin=RunOrigin.API, agent=AgentFactory(team=team), prompt=" ")

    with pytest.raises(AttributeError):
        asked.prompt = "Go"  # type: ignore[misc]
    with pytest.raises(InvalidInput) as refused:
        runs.start_run(asked)
    late = timezone.now() + runs.LATEST_START + timedelta(days=1)
    with pytest.raises(InvalidInput, match="At most"):
        start_run(team=team, actor=alice, agent=asked.agent, prompt="Go", start_at=late)

    assert [(field.field, field.code) for field in refused.value.fields] == [("prompt", "required")]
    assert Run.objects.count() == RunEvent.objects.count() == 0
