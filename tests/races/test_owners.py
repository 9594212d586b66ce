"""Ownership of runs: simultaneous claims, and writes of a previous owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import Team
from billing.models import Budget, Reservation, UsageRecord
from billing.services import save_budget
from tasks import events
from tasks.engine import commits, human_requests, lease
from tasks.models import Artifact, HumanRequest, Run, RunEvent, Step
from tests.factories import AgentFactory, RunFactory, StoredFileFactory
from tests.races.conftest import Open
from tests.tasks.scripted import Scripted, engine, say, settled, types

Play = Callable[..., Scripted]
Start = Callable[..., Run]


@pytest.mark.promise("G3")
async def test_workers_that_claim_at_once_share_the_runs_and_no_run_has_two(open_journal: Open) -> None:
    agent = await sync_to_async(AgentFactory)(max_concurrent_runs=1000)
    await sync_to_async(RunFactory.create_batch)(40, agent=agent)
    workers = [await open_journal(f"worker-{n}") for n in range(4)]

    claimed = await asyncio.gather(*(worker.claim(10) for worker in workers))

    taken = [row["id"] for rows in claimed for row in rows]
    assert len(taken) == len(set(taken)) == 40
    assert {row["epoch"] for rows in claimed for row in rows} == {1}
    owners = {row["id"]: workers[n].worker for n, rows in enumerate(claimed) for row in rows}
    assert {run.pk: run.worker async for run in Run.objects.all()} == owners


@pytest.mark.promise("G1", "G3")
def test_two_engines_drive_each_run_once(
    transactional_db: None, fast_engine: None, scripted: Play, start: Start
) -> None:
    runtime = scripted([say("Done.")])
    with engine("one"), engine("two"):
        runs = [start() for _ in range(20)]
        ended = [settled(run, "succeeded") for run in runs]

    assert sorted(call.run_id for call in runtime.calls) == sorted(str(run.pk) for run in runs)
    for run in ended:
        assert (run.epoch, run.recoveries, types(run).count("run.finished")) == (1, 0, 1)


def everything(run: Run) -> dict[str, Any]:
    """Return all rows that a worker may write about the run."""
    return {
        model.__name__: list(model.objects.filter(**of).order_by("pk").values())  # type: ignore[attr-defined]
        for model, of in (
            (Run, {"pk": run.pk}),
            *(((m, {"run": run})) for m in (RunEvent, Step, HumanRequest, Artifact)),
            *(((m, {"run_id": run.pk})) for m in (UsageRecord, Reservation)),
            (Budget, {"team": run.team}),
        )
    }


def writes(run: Run, file_id: Any, reservation: str) -> list[dict[str, Any]]:
    """Return one of each kind of write that an owner makes."""
    usage = commits.UsageWrite(key="msg_late", outcome="charged", step_key="late", model="demo-1", cost_usd=Decimal(1))
    step = commits.StepWrite(index=1, kind="model", status="done", result={"content": []})
    return [
        {"events": [events.Log(text="late")]},
        {"steps": {1: step}},
        {"usage": [usage]},
        {"settle": [commits.Settle(key=reservation, cost_usd=Decimal(1))]},
        {"reserve": commits.Reserve(key="late", amount_usd=Decimal("0.5"))},
        {"requests": [human_requests.review(title="Late")], "status": "needs_review"},
        {"artifacts": [commits.ArtifactWrite(id=uuid7(), path="late.md", file_id=file_id, version=1)]},
        {"status": "waiting", "waiting_kind": "timer", "start_at": datetime.now(UTC)},
        {"status": "succeeded", "output": "late"},
        {"turns": 1, "progress": {"done": 1}, "active_s": 5.0},
    ]


@pytest.mark.promise("G3")
async def test_an_owner_of_before_changes_nothing(open_journal: Open, team: Team) -> None:
    agent = await sync_to_async(AgentFactory)(team=team)
    run = await sync_to_async(RunFactory)(agent=agent)
    stored = await sync_to_async(StoredFileFactory)(team=team)
    await sync_to_async(save_budget)(team=team, limit_usd=Decimal(5))
    before, present = await open_journal("before"), await open_journal("present")
    [old] = await before.claim(1)
    await Run.objects.filter(pk=run.pk).aupdate(lease_expires_at=timezone.now() - timedelta(seconds=1))
    [new] = await present.claim(1)
    assert (old["epoch"], new["epoch"], new["old_worker"], new["recoveries"]) == (1, 2, "before", 1)
    kept = commits.Reserve(key="kept", amount_usd=Decimal(2))
    await present.commit(
        commits.Commit(run_id=run.pk, epoch=2, commit_no=1, events=[events.Log(text="1")], reserve=kept)
    )
    seen = await sync_to_async(everything)(run)

    for changes in writes(run, stored.pk, "kept"):
        for commit_no in (
            1,
            2,
        ):  # the one that follows its own last write, and the one that follows the present owner's
            with pytest.raises(commits.LeaseLost):
                await before.commit(commits.Commit(run_id=run.pk, epoch=1, commit_no=commit_no, **changes))
    assert await before.renew({run.pk: (1, lease.Lease(0.0))}) == set()
    await before.release([(run.pk, 1)])

    assert await sync_to_async(everything)(run) == seen


@pytest.mark.promise("G1", "G8")
@pytest.mark.parametrize("reserve", [None, commits.Reserve(key="one", amount_usd=Decimal("0.5"))])
async def test_a_write_whose_answer_was_lost_is_sent_again_and_done_once(
    open_journal: Open, team: Team, monkeypatch: pytest.MonkeyPatch, reserve: commits.Reserve | None
) -> None:
    run = await sync_to_async(RunFactory)(agent=await sync_to_async(AgentFactory)(team=team))
    await sync_to_async(save_budget)(team=team, limit_usd=Decimal(5))
    journal = await open_journal("one")
    [row] = await journal.claim(1)
    sent, really = [], journal._apply

    async def cut_off(*args: Any, **more: Any) -> Any:
        answers = await really(*args, **more)
        sent.append(more["is_repeat"])
        if len(sent) == 1:
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return answers

    monkeypatch.setattr(journal, "_apply", cut_off)
    what: list[events.Event] = [events.Log(text="once")]
    committed = await journal.commit(
        commits.Commit(run_id=run.pk, epoch=row["epoch"], commit_no=1, events=what, turns=1, reserve=reserve)
    )

    assert sent == [False, True]
    assert committed.last_seq == 1
    await run.arefresh_from_db()
    assert (run.last_seq, run.turns, run.commit_no, await run.events.acount()) == (1, 1, 1, 1)
    assert (await Budget.objects.aget()).reserved_usd == (reserve.amount_usd if reserve else 0)


@pytest.mark.promise("G9")
async def test_a_write_that_postgres_refuses_takes_none_of_its_group_along(open_journal: Open, team: Team) -> None:
    agent = await sync_to_async(AgentFactory)(team=team)
    await sync_to_async(RunFactory.create_batch)(5, agent=agent)
    journal = await open_journal("one")
    rows = await journal.claim(5)

    def step(number: int) -> dict[int, commits.StepWrite]:
        return {1: commits.StepWrite(index=1, kind="tool", status="done", call_id="x" * (200 if number == 2 else 20))}

    writing = [
        journal.commit(commits.Commit(run_id=row["id"], epoch=row["epoch"], commit_no=1, steps=step(number)))
        for number, row in enumerate(rows)
    ]
    said = await asyncio.gather(*writing, return_exceptions=True)

    refused = [number for number, word in enumerate(said) if isinstance(word, psycopg.DataError)]
    assert (refused, [type(word) for word in said].count(commits.Committed)) == ([2], 4)
    written = {run_id async for run_id in Step.objects.values_list("run_id", flat=True)}
    assert written == {row["id"] for number, row in enumerate(rows) if number != 2}
