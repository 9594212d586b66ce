from __future__ import annotations

from itertools import chain
from typing import Any

from accounts.models import AuditEntry, User
from agents import hooks
from agents.services import agents
from tasks.models import Run, RunStatus, Task
from tasks.services import runs
from tests.factories import AgentFactory, TaskFactory, start_run


def test_deleting_an_agent_stops_its_work_and_nothing_else(
    alice: User, team: Any, django_capture_on_commit_callbacks: Any
) -> None:
    rita, otis = AgentFactory(team=team, name="Rita"), AgentFactory(team=team)
    report, other = TaskFactory(agent=rita, name="Weekly report"), TaskFactory(agent=otis)
    live = [
        start_run(team=team, actor=alice, task=report),
        start_run(team=team, actor=alice, agent=rita, prompt="Look."),
    ]
    ended = runs.cancel_run(run=start_run(team=team, actor=alice, task=report), actor=alice)
    untouched = start_run(team=team, actor=alice, task=other)

    assert list(chain.from_iterable(hooks.agent_dependents(agent=rita))) == [
        "2 live runs are cancelled; work so far is kept and paid.",
        "1 task goes away; finished runs stay.",
    ]
    agents.remove_agent(agent=rita, actor=alice)

    for run in live:
        run.refresh_from_db()
        assert run.status == RunStatus.CANCELLED
        assert run.events.order_by("-seq")[0].data["summary"] == "Cancelled by Alice. Rita was deleted."
    report.refresh_from_db()
    untouched.refresh_from_db()
    assert report.removed_at is not None
    assert (untouched.status, Task.objects.present().get()) == (RunStatus.QUEUED, other)
    assert Run.objects.get(pk=ended.pk).last_seq == ended.last_seq
    assert AuditEntry.objects.filter(action="task.removed").count() == 1
    assert list(chain.from_iterable(hooks.agent_dependents(agent=rita))) == []
