"""Writes of one owner whose task is cancelled in the middle of a write."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.ids import uuid7
from tasks import events
from tasks.engine.claimed_run import ClaimedRun
from tasks.engine.commits import Commit, Committed, InputReason, LeaseLost, StepWrite
from tasks.engine.lease import Lease


class SlowJournal:
    """Journal that waits in each write. It refuses one that does not follow the one before, as the database does."""

    def __init__(self) -> None:
        self.written: list[Commit] = []
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()

    async def commit(self, op: Commit) -> Committed:
        self.began.set()
        await self.go_on.wait()
        if op.commit_no != len(self.written) + 1:
            raise LeaseLost
        self.written.append(op)
        return Committed(last_seq=len(self.written))

    async def unread_messages(self, **_: Any) -> list[Any]:
        return []

    async def timer_waits(self, **_: Any) -> int:
        return 0

    async def late_usage(self, **_: Any) -> None:
        raise AssertionError("nothing was late")


def owned(journal: SlowJournal) -> ClaimedRun:
    lists: dict[str, Any] = {name: [] for name in ("steps", "requests", "artifacts", "inputs", "recordings")}
    row = {"id": uuid7(), "epoch": 1, "lease": Lease(float("inf")), "runtime": "demo", "kind": "direct"} | lists
    row |= {"last_message_seq": 0}
    return ClaimedRun(
        row
        | {
            "cost_usd": Decimal(0),
            "turns": 0,
            "active_s": 0.0,
            "timeout_s": 60,
            "forked_at_step": None,
            "loaded_at": timezone.now(),
        },
        journal,
    )


async def test_a_write_on_its_way_is_waited_for_before_the_run_is_said_to_be_over() -> None:
    journal = SlowJournal()
    run = owned(journal)
    run.emit(events.Log(text="before"))
    asyncio.get_running_loop().call_later(0.05, journal.go_on.set)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await run.flush()
    await run.flush(status="failed")

    assert [(op.commit_no, len(op.events), op.status) for op in journal.written] == [(1, 1, None), (2, 0, "failed")]


async def test_what_is_said_during_a_write_goes_with_the_next() -> None:
    journal = SlowJournal()
    run = owned(journal)
    run.emit(events.Log(text="one"))
    writing = asyncio.create_task(run.flush())
    await journal.began.wait()
    run.emit(events.Log(text="two"))
    journal.go_on.set()
    await writing
    await run.flush()

    assert [[event.data()["text"] for event in op.events] for op in journal.written] == [["one"], ["two"]]


async def test_what_could_not_be_written_is_still_there() -> None:
    journal = SlowJournal()
    run = owned(journal)
    journal.written.append(Commit(run_id=run.id, epoch=2, commit_no=1))
    journal.go_on.set()
    run.emit(events.Log(text="one"))

    with pytest.raises(LeaseLost):
        await run.flush()

    assert [event.data()["text"] for event in run.pending.events] == ["one"]


def test_a_message_of_a_person_with_the_same_words_is_not_counted() -> None:
    run = owned(SlowJournal())
    run.row["continued_at_step"] = 1
    run.ask_model("Continue.", InputReason.CUT_OFF)
    run.ask_model("Continue.", InputReason.CUT_OFF)
    run.ask_model("Complete it now.", InputReason.CORRECTION)
    said = StepWrite(index=run.next_index, kind="input", status="done", request={"text": "Continue."})
    run.write_step(said)

    assert run.asked_since_continued(InputReason.CUT_OFF) == 1  # the first was before the run was continued
    assert run.asked_since_continued(InputReason.CORRECTION) == 1
