"""Runs that other runs start, and where a run was asked for."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.errors import Conflict
from accounts.models import AuditEntry, Team, User
from tasks.models import HumanRequest, Run, RunEvent, RunOrigin, RunStatus
from tasks.services import removals, runs
from tests.calling import Api, api_of
from tests.factories import AgentFactory, HumanRequestFactory, RunFactory, TaskFactory, TeamFactory, start_run
from tests.tasks.scripted import settled


@pytest.fixture
def family(team: Team, alice: User) -> dict[str, Run]:
    """A run with two children: one is live and waits for a person, one has ended. Both have a live child."""
    agent = AgentFactory(team=team)

    def begin(parent: Run | None) -> Run:
        return start_run(team=team, actor=alice, agent=agent, prompt="Go", parent=parent)

    root = begin(None)
    live, ended = begin(root), begin(root)
    below, orphan = begin(live), begin(ended)
    live.move_to(RunStatus.RUNNING, lease_expires_at=timezone.now())
    live.move_to(RunStatus.WAITING, waiting_kind="question")
    HumanRequestFactory(run=live)
    ended.move_to(RunStatus.CANCELLED)
    return {"root": root, "live": live, "ended": ended, "below": below, "orphan": orphan, "other": begin(None)}


def _statuses(family: dict[str, Run]) -> dict[str, str]:
    return {name: Run.objects.get(pk=run.pk).status for name, run in family.items()}


def test_a_cancel_reaches_all_runs_below_and_nothing_else(family: dict[str, Run], alice: User) -> None:
    ended_at = Run.objects.get(pk=family["ended"].pk).finished_at

    runs.cancel_run(run=family["root"], actor=alice, reason="Enough.")

    assert _statuses(family) == dict.fromkeys(family, "cancelled") | {"other": "queued"}
    assert Run.objects.get(pk=family["ended"].pk).finished_at == ended_at
    assert HumanRequest.objects.get().status == "void"
    names = {str(run.pk): name for name, run in family.items()}
    entries = AuditEntry.objects.filter(action="run.cancelled").values_list("subject_id", "actor", "data")
    said = "The run that started it was cancelled."
    assert {names[pk]: (actor, data["reason"]) for pk, actor, data in entries} == {
        "root": (alice.pk, "Enough."),
        **dict.fromkeys(("live", "below", "orphan"), (alice.pk, said)),
    }
    assert len(entries) == 4
    told = RunEvent.objects.filter(type="run.finished").values_list("run", "data__summary")
    assert {names[str(pk)]: summary for pk, summary in told if names[str(pk)] == "below"} == {
        "below": f"Cancelled by {alice.display_name}. {said}"
    }


def test_a_cancel_of_a_child_leaves_its_parent_and_siblings(family: dict[str, Run], alice: User) -> None:
    runs.cancel_run(run=family["live"], actor=alice)

    assert _statuses(family) == {
        "root": "queued", "live": "cancelled", "ended": "cancelled", "below": "cancelled", "orphan": "queued",
        "other": "queued",
    }  # fmt: skip


def test_the_work_of_an_agent_ends_once_for_parent_and_child(family: dict[str, Run], alice: User) -> None:
    """Both are on the list of what is cancelled, and the parent's cancel has reached the child before."""
    removals.stop_work_of(agent=family["root"].agent, actor=alice)

    assert set(_statuses(family).values()) == {"cancelled"}
    assert AuditEntry.objects.filter(action="run.cancelled").count() == 5


def test_a_run_that_was_cancelled_meanwhile_counts_as_cancelled(family: dict[str, Run], alice: User) -> None:
    stale = Run.objects.get(pk=family["other"].pk)
    runs.cancel_run(run=family["other"], actor=alice)

    assert runs.cancel_run(run=stale, actor=alice).status == "cancelled"
    assert AuditEntry.objects.filter(action="run.cancelled").count() == 1


def test_a_child_of_a_run_that_has_ended_or_of_another_team_is_not_started(family: dict[str, Run], alice: User) -> None:
    before, agent = Run.objects.count(), family["root"].agent
    foreign = RunFactory(agent=AgentFactory(team=TeamFactory()))

    with pytest.raises(Conflict, match="has ended"):
        start_run(team=agent.team, actor=alice, agent=agent, prompt="Go", parent=family["ended"])
    with pytest.raises(ValueError, match="same team"):
        start_run(team=agent.team, actor=alice, agent=agent, prompt="Go", parent=foreign)

    assert Run.objects.count() == before + 1


def test_the_history_of_a_child_outlives_its_parent(team: Team) -> None:
    parent = RunFactory(agent=AgentFactory(team=team))
    child = RunFactory(agent=parent.agent, parent=parent)

    parent.delete()

    child.refresh_from_db()
    assert child.parent is None


# ---- Origin


@pytest.mark.usefixtures("driver")
def test_every_way_of_the_api_to_start_a_run_says_so(scripted: Any, team: Team, alice: User) -> None:
    api = api_of(alice, team)
    task = TaskFactory(team=team, agent=AgentFactory(team=team, version__tools=[], version__memory_enabled=False))
    scripted(*[[{"type": "text", "text": "Done."}]] * 20)
    done = settled(start_run(team=team, actor=alice, agent=task.agent, prompt="Go"), "succeeded")

    _by_api(api, done, str(task.pk))

    made = Run.objects.exclude(pk=done.pk).values_list("origin", flat=True)
    assert (done.origin, list(made)) == ("page", ["api"] * 7)


def _by_api(api: Api, done: Run, task: str) -> None:
    run, agent = f"/api/v1/runs/{done.pk}", str(done.agent_id)
    sent: list[tuple[str, dict[str, Any]]] = [
        ("/api/v1/runs/", {"agent": agent, "prompt": "Go"}),
        (f"/api/v1/tasks/{task}/runs/", {}),
        (f"/api/v1/agents/{agent}/demo/", {}),
        (f"{run}/retry/", {}),
        ("/api/v1/runs/bulk-retry/", {"runs": [str(done.pk)]}),
        (f"{run}/fork/", {"from_seq": 0}),
        (f"{run}/replay/", {}),
    ]
    for path, body in sent:
        answer = api.send("POST", path, body)
        assert answer.status_code in (200, 201), (path, answer.content)


def test_the_run_page_says_where_it_was_asked_for_and_by_which_run(as_alice: Client, family: dict[str, Run]) -> None:
    child = family["live"]
    Run.objects.filter(pk=child.pk).update(origin=RunOrigin.API)

    page = as_alice.get(f"/t/{child.team.slug}/runs/{child.pk}/").content.decode()
    root = as_alice.get(f"/t/{child.team.slug}/runs/{family['root'].pk}/").content.decode()

    assert ", over the API</dd>" in page
    assert f'/runs/{family["root"].pk}/">another run</a>' in page
    assert ", on a page</dd>" in root
    assert "Started by" not in root


@pytest.mark.parametrize(
    ("label", "address", "metadata", "origin"),
    [
        ("alice@example.com by key CI", "10.0.0.1", {}, "api"),
        ("alice@example.com", "10.0.0.1", {}, "page"),
        ("alice@example.com", "", {"demo_run": "x"}, "seed"),
        ("alice@example.com by key CI", "10.0.0.1", {"demo_run": "mine"}, "api"),
        ("alice@example.com", "", {}, ""),
    ],
)
def test_older_runs_get_their_origin_from_the_audit_log(
    team: Team, alice: User, label: str, address: str, metadata: dict[str, str], origin: str
) -> None:
    """A run whose start is in no entry, and one that has an origin, stay as they are."""
    old = RunFactory(agent=AgentFactory(team=team), metadata=metadata)
    unknown = RunFactory(agent=old.agent)
    new = RunFactory(agent=old.agent, origin="terminal")
    for run in (old, new):
        AuditEntry.objects.create(
            team=team, actor=alice, actor_label=label, address=address, action="run.started", subject_type="run",
            subject_id=str(run.pk),
        )  # fmt: skip

    migration = import_module("tasks.migrations.0013_origin_of_older_runs")
    migration.backfill(apps, SimpleNamespace(connection=connection))

    found = [Run.objects.get(pk=run.pk).origin for run in (old, unknown, new)]
    assert found == [origin, "", "terminal"]
