"""Limits under concurrency: reservations of money and counted places."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from psycopg.rows import dict_row

from accounts.models import Team
from billing.models import Budget, Reservation, UsageRecord
from billing.services import save_budget
from tasks import async_db
from tasks.engine import commits
from tasks.models import Run, Step
from tests.factories import AgentFactory, RunFactory
from tests.races.concurrency import other_connection, until_waiting
from tests.races.conftest import Open
from tests.tasks.scripted import Scripted, engine, say, settled, types, until

Play = Callable[..., Scripted]
Start = Callable[..., Run]
UNIT = Decimal("0.05")


def intent(run: Run, epoch: int) -> commits.Commit:
    step = commits.StepWrite(index=1, kind="model", status="intent")
    reserve = commits.Reserve(key=f"{run.pk}:1:1", amount_usd=UNIT)
    return commits.Commit(run_id=run.pk, epoch=epoch, commit_no=1, steps={1: step}, reserve=reserve)


@pytest.mark.promise("G7")
@pytest.mark.parametrize("of_agent", [False, True], ids=["team budget", "agent budget"])
async def test_eight_workers_reserve_the_last_unit_once(open_journal: Open, team: Team, of_agent: bool) -> None:
    agent = await sync_to_async(AgentFactory)(team=team, max_concurrent_runs=100)
    await sync_to_async(save_budget)(team=team, limit_usd=UNIT, agent_id=agent.pk if of_agent else None)
    runs = await sync_to_async(RunFactory.create_batch)(8, agent=agent)
    workers = [await open_journal(f"worker-{n}") for n in range(8)]
    owned = [(await worker.claim(1))[0] for worker in workers]
    by_id = {run.pk: run for run in runs}

    with other_connection() as holder:  # all wait for the budget's row before the first may go on
        holder.execute("SELECT FROM billing_budget FOR UPDATE")
        writing = [
            asyncio.ensure_future(worker.commit(intent(by_id[row["id"]], row["epoch"])))
            for worker, row in zip(workers, owned, strict=True)
        ]
        await until_waiting(8)
    answers = await asyncio.gather(*writing, return_exceptions=True)

    assert [type(answer) for answer in answers].count(commits.Committed) == 1
    assert [type(answer) for answer in answers].count(commits.BudgetRefused) == 7
    assert [b.reserved_usd async for b in Budget.objects.all()] == [UNIT]
    assert (await Reservation.objects.acount(), await Step.objects.acount()) == (1, 1)


@pytest.mark.promise("G7")
def test_many_runs_at_once_never_pass_the_cap(
    transactional_db: None, fast_engine: None, scripted: Play, start: Start, team: Team
) -> None:
    save_budget(team=team, limit_usd=UNIT * 3)
    go_on, at_once, most = threading.Event(), 0, 0

    async def hold(request: object) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        while not go_on.is_set():
            await asyncio.sleep(0.01)
        at_once -= 1

    runtime = scripted([say("Done.")], cost_usd=UNIT, worst_usd=UNIT, before_turn=hold)
    with engine("one"), engine("two"):
        runs = [start() for _ in range(12)]
        until(lambda: Run.objects.filter(status="waiting", waiting_kind="budget").count() == 9)
        assert (len(runtime.calls), Budget.objects.get().reserved_usd) == (3, UNIT * 3)
        go_on.set()
        ended = [settled(run) for run in runs]

    budget = Budget.objects.get()
    assert (most, budget.spent_usd, budget.reserved_usd) == (3, UNIT * 3, 0)
    assert sorted(run.status for run in ended) == ["succeeded"] * 3 + ["waiting"] * 9
    assert UsageRecord.objects.count() == sum(types(run).count("model.started") for run in ended) == 3


@pytest.mark.promise("G7")
async def test_the_last_place_of_a_team_is_counted_after_the_lock(open_journal: Open, team: Team) -> None:
    agent = await sync_to_async(AgentFactory)(team=team, max_concurrent_runs=100)
    await sync_to_async(RunFactory.create_batch)(4, agent=agent)
    first, second = await open_journal("first", team_runs=1), await open_journal("second", team_runs=1)

    connected = await psycopg.AsyncConnection.connect(async_db.conninfo(), autocommit=True, row_factory=dict_row)
    async with connected as db, db.transaction():  # the first one's claim is not committed while the second one asks
        assert len(await first._claim(db, 1)) == 1
        await sync_to_async(RunFactory)(agent=agent, priority=9)  # not the row that the first one holds
        claiming = asyncio.ensure_future(second.claim(4))
        await until_waiting(1, claiming)
    assert await claiming == []

    assert [run.worker async for run in Run.objects.filter(status="running")] == ["first"]


@pytest.mark.promise("G7", "admission")
async def test_eight_workers_fill_the_last_place_of_an_agent_once(open_journal: Open, team: Team) -> None:
    agent = await sync_to_async(AgentFactory)(team=team, max_concurrent_runs=1)
    await sync_to_async(RunFactory.create_batch)(8, agent=agent)
    workers = [await open_journal(f"worker-{n}") for n in range(8)]

    claimed = await asyncio.gather(*(worker.claim(8) for worker in workers))

    assert sorted(len(rows) for rows in claimed) == [0] * 7 + [1]
    assert await Run.objects.filter(status="running").acount() == 1


@pytest.mark.promise("G7")
async def test_what_a_lost_worker_reserved_is_free_again_with_the_next_attempt(open_journal: Open, team: Team) -> None:
    agent = await sync_to_async(AgentFactory)(team=team)
    run = await sync_to_async(RunFactory)(agent=agent)
    await sync_to_async(save_budget)(team=team, limit_usd=UNIT)
    lost, present = await open_journal("lost"), await open_journal("present")
    [old] = await lost.claim(1)
    await lost.commit(intent(run, old["epoch"]))
    await Run.objects.filter(pk=run.pk).aupdate(lease_expires_at=timezone.now() - timedelta(seconds=1))
    [new] = await present.claim(1)

    unknown = commits.UsageWrite(
        key=f"unknown:{run.pk}:1:1", outcome="unknown", step_key=f"{run.pk}:1:1", model="demo-1", cost_usd=UNIT
    )
    freed = commits.Settle(key=f"{run.pk}:1:1", cost_usd=Decimal(0))
    again = commits.Reserve(key=f"{run.pk}:1:2", amount_usd=UNIT)
    op = commits.Commit(run_id=run.pk, epoch=new["epoch"], commit_no=1, usage=[unknown], settle=[freed])
    await present.commit(op)
    await present.commit(commits.Commit(run_id=run.pk, epoch=new["epoch"], commit_no=2, reserve=again))

    budget = await Budget.objects.aget()
    assert (budget.spent_usd, budget.reserved_usd) == (0, UNIT)
    assert [r.key async for r in Reservation.objects.all()] == [f"{run.pk}:1:2"]


@pytest.mark.promise("G7")
async def test_a_group_locks_its_budgets_in_one_order_whatever_its_runs_are(open_journal: Open, team: Team) -> None:
    """Commit a group over two budgets: it locks them in the order of ids.

    Otherwise two workers could each hold the budget that the other waits for.
    """
    agents = await sync_to_async(AgentFactory.create_batch)(2, team=team)
    budgets = [await sync_to_async(save_budget)(team=team, limit_usd=UNIT * 9, agent_id=a.pk) for a in agents]
    first, second = sorted(budget.pk for budget in await sync_to_async(list)(Budget.objects.all()))
    assert len(budgets) == 2
    later_agent = (await Budget.objects.aget(pk=second)).agent_id
    for agent in sorted(agents, key=lambda agent: agent.pk != later_agent):  # the older run is of the later budget
        await sync_to_async(RunFactory)(agent=agent)
    worker = await open_journal("worker")
    owned = await worker.claim(2)
    runs = {run.pk: run async for run in Run.objects.all()}

    with other_connection() as holder, other_connection() as asker:
        holder.execute("SELECT FROM billing_budget WHERE id = %s FOR UPDATE", [first])
        writing = asyncio.gather(*(worker.commit(intent(runs[row["id"]], row["epoch"])) for row in owned))
        await until_waiting(1)
        asker.execute("SELECT FROM billing_budget WHERE id = %s FOR UPDATE NOWAIT", [second])
        asker.rollback()
        holder.rollback()
        await writing

    assert {budget.reserved_usd async for budget in Budget.objects.all()} == {UNIT}


@pytest.mark.promise("G6")
@pytest.mark.parametrize("late_first", [False, True], ids=["after the new owner's word", "before it"])
async def test_an_attempt_has_one_row_however_late_its_answer_is(
    open_journal: Open, team: Team, late_first: bool
) -> None:
    run = await sync_to_async(RunFactory)(team=team, agent=await sync_to_async(AgentFactory)(team=team))
    worker = await open_journal("worker")
    row = (await worker.claim(1))[0]
    key = f"{run.pk}:1:1"
    unknown = commits.UsageWrite(key=f"unknown:{key}", outcome="unknown", step_key=key, model="demo-1", cost_usd=UNIT)
    known = commits.UsageWrite(key="msg_1", outcome="free", step_key=key, model="demo-1", cost_usd=UNIT, input_tokens=7)

    if late_first:
        await worker.late_usage(run_id=run.pk, usage=known)
    await worker.commit(commits.Commit(run_id=run.pk, epoch=row["epoch"], commit_no=1, usage=[unknown]))
    if not late_first:
        await worker.late_usage(run_id=run.pk, usage=known)
    await worker.late_usage(run_id=run.pk, usage=known)

    rows = [(u.key, u.outcome, u.input_tokens) async for u in UsageRecord.objects.all()]
    assert rows == [("msg_1", "free", 7)]
