"""Order of admission: fair turns between teams, limits and priorities. Each claim here has room for one run."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.models import Team
from agents.models import Agent
from tasks.engine.journal import Journal
from tasks.models import Run, RunStatus
from tests.factories import AgentFactory, RunFactory
from tests.races.conftest import Open

pytestmark = pytest.mark.promise("admission")
START = timezone.now() - timedelta(hours=1)


@sync_to_async
def an_agent(team: Team, **more: Any) -> Agent:
    made: Agent = AgentFactory(team=team, **{"max_concurrent_runs": 1000} | more)
    return made


@sync_to_async
def queue(agent: Agent, name: str, count: int, *, after_s: float = 0.0, **more: Any) -> None:
    """Create runs named `name 0`, `name 1`, …, queued one millisecond apart; the last one has the lowest id and row."""
    values = {"team": agent.team, "version": agent.version, "agent": agent} | more
    Run.objects.bulk_create(
        RunFactory.build(title=f"{name} {n}", queued_at=START + timedelta(seconds=after_s, milliseconds=n), **values)
        for n in reversed(range(count))
    )


async def turns(worker: Journal, count: int) -> list[str]:
    """Return the titles of the runs that a worker with one free slot claims, in order."""
    taken = []
    for _ in range(count):
        taken += [row["title"] for row in await worker.claim(1)]
    return taken


async def test_ten_thousand_runs_of_one_team_delay_anothers_first_by_one_slot(
    open_journal: Open, team: Team, other_team: Team
) -> None:
    await queue(await an_agent(team), "acme", 10_000)
    await queue(await an_agent(other_team), "elsewhere", 3, after_s=60)
    worker = await open_journal("one")

    taken = await turns(worker, 8)

    assert taken == [
        "acme 0", "elsewhere 0", "acme 1", "elsewhere 1", "acme 2", "elsewhere 2", "acme 3", "acme 4",
    ]  # fmt: skip


async def test_a_team_that_has_many_running_comes_after_one_that_has_none(
    open_journal: Open, team: Team, other_team: Team
) -> None:
    lease = {"status": RunStatus.RUNNING, "lease_expires_at": timezone.now() + timedelta(minutes=5)}
    many = await an_agent(team)
    await queue(many, "running", 50, **lease)
    await queue(many, "acme", 200)
    await queue(await an_agent(other_team), "elsewhere", 2, after_s=60)
    worker = await open_journal("one")

    assert await turns(worker, 4) == ["elsewhere 0", "elsewhere 1", "acme 0", "acme 1"]


async def test_one_claim_for_many_slots_takes_turns_too(open_journal: Open, team: Team, other_team: Team) -> None:
    await queue(await an_agent(team), "acme", 500)
    await queue(await an_agent(other_team), "elsewhere", 3, after_s=60)
    worker = await open_journal("one")

    taken = sorted(row["title"] for row in await worker.claim(5))

    assert taken == ["acme 0", "acme 1", "acme 2", "elsewhere 0", "elsewhere 1"]


async def test_a_team_takes_no_more_places_than_it_may(open_journal: Open, team: Team, other_team: Team) -> None:
    await queue(await an_agent(team), "acme", 20)
    await queue(await an_agent(other_team), "elsewhere", 1, after_s=60)
    worker = await open_journal("one", team_runs=2)

    assert sorted(row["title"] for row in await worker.claim(100)) == ["acme 0", "acme 1", "elsewhere 0"]
    assert await worker.claim(100) == []


async def test_an_agent_takes_no_more_places_than_it_may_and_its_team_goes_on(open_journal: Open, team: Team) -> None:
    await queue(await an_agent(team, max_concurrent_runs=2), "narrow", 20)
    await queue(await an_agent(team), "wide", 3, after_s=60)
    worker = await open_journal("one")

    assert await turns(worker, 6) == ["narrow 0", "narrow 1", "wide 0", "wide 1", "wide 2"]


async def test_the_higher_priority_of_a_team_goes_first_but_not_before_another_team(
    open_journal: Open, team: Team, other_team: Team
) -> None:
    agent = await an_agent(team)
    await queue(agent, "plain", 2)
    await queue(agent, "low", 1, priority=-5)
    await queue(agent, "urgent", 2, after_s=60, priority=5)
    await queue(await an_agent(other_team), "elsewhere", 1, after_s=90)
    worker = await open_journal("one")

    assert await turns(worker, 6) == ["urgent 0", "elsewhere 0", "urgent 1", "plain 0", "plain 1", "low 0"]


async def test_a_run_that_is_not_due_waits_and_the_next_one_goes(open_journal: Open, team: Team) -> None:
    agent = await an_agent(team)
    await queue(agent, "later", 1, start_at=timezone.now() + timedelta(hours=1), priority=9)
    await queue(agent, "now", 1, after_s=60)
    worker = await open_journal("one")

    assert await turns(worker, 2) == ["now 0"]


async def test_a_claim_takes_no_more_than_there_is_room_for_and_lost_runs_first(open_journal: Open, team: Team) -> None:
    agent = await an_agent(team)
    lost = {"status": RunStatus.RUNNING, "worker": "gone", "epoch": 1, "lease_expires_at": START, "started_at": START}
    await queue(agent, "lost", 2, **lost)
    await queue(agent, "suspect", 1, **lost | {"recoveries": 2})
    await queue(agent, "new", 3)
    worker = await open_journal("one")

    first = [row["title"] for row in await worker.claim(2)]
    second = [row["title"] for row in await worker.claim(2)]

    assert sorted(first) == ["lost 0", "lost 1"]
    assert sorted(second) == ["new 0", "suspect 0"]
