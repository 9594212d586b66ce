"""Group commit: which writes of a worker's runs share a transaction."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tasks.engine import journal
from tasks.engine.commits import Commit, Committed
from tasks.engine.journal import Journal
from tests.timeouts import PATIENCE_S


class NoPool:
    async def open(self) -> None: ...
    async def close(self) -> None: ...


class Noted(Journal):
    """Journal that records the groups instead of writing them."""

    def __init__(self, *, driven: int) -> None:
        self.groups: list[list[UUID]] = []
        super().__init__(
            pool=NoPool(),
            worker="w",
            lease_s=30,
            team_runs=9,
            publish_hints=lambda written: None,
            driven=lambda: driven,
        )  # type: ignore[arg-type]

    async def _write_group(self, group: dict[UUID, Any]) -> None:
        self.groups.append(list(group))
        for item in group.values():
            item.done.set_result(Committed(last_seq=1))


async def written(driven: int, runs: list[UUID]) -> list[list[UUID]]:
    """Return the groups of one write of each run. The first write is finished before the others begin."""
    noted = Noted(driven=driven)
    await noted.open()
    first, *others = [Commit(run_id=run, epoch=1, commit_no=1) for run in runs]
    await noted.commit(first)
    commits = []
    for op in others:
        commits.append(asyncio.create_task(noted.commit(op)))
        for _ in range(5):  # turns of the loop, in which a writer that does not wait would write
            await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*commits)
    await noted.close()
    return noted.groups


async def test_writes_of_many_runs_gather_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "GROUP_EVERY_S", 0.5)
    runs = [uuid4() for _ in range(4)]

    assert await written(100, runs) == [runs[:1], runs[1:]]


async def test_a_run_that_is_alone_waits_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "GROUP_EVERY_S", 60.0)
    runs = [uuid4() for _ in range(3)]

    assert await written(1, runs) == [[run] for run in runs]


async def test_a_group_that_is_full_waits_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "GROUP_EVERY_S", 60.0)
    monkeypatch.setattr(journal, "MAX_GROUP", 2)
    noted = Noted(driven=10_000)
    first, *others = [Commit(run_id=uuid4(), epoch=1, commit_no=1) for _ in range(3)]
    await noted.open()
    await noted.commit(first)

    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*[noted.commit(op) for op in others])
    await noted.close()

    assert noted.groups == [[first.run_id], [op.run_id for op in others]]
