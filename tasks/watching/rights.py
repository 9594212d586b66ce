"""May these viewers look at these runs? Asked again every few seconds, for all of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from uuid import UUID

from channels.db import database_sync_to_async

from accounts.sockets import Caller, teams_of
from tasks import aio
from tasks.models import Run

Question = tuple[Caller, UUID]


class Rights:
    """For one event loop. What is asked while the last answer is looked up is answered together with the next one."""

    def __init__(self) -> None:
        self._asked: dict[Question, asyncio.Future[bool]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def may_look(self, caller: Caller, run_id: UUID) -> bool:
        loop = asyncio.get_running_loop()
        answer = self._asked.setdefault((caller, run_id), loop.create_future())
        if self._answering is None:
            self._answering = loop.create_task(self._answer_all())
        return await asyncio.shield(answer)  # others may wait for the same one

    async def close(self) -> None:
        if self._answering:
            await aio.end([self._answering])

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(0)  # those who woke up at the same moment ask now
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._answering = None

    async def _answer(self, asked: dict[Question, asyncio.Future[bool]]) -> None:
        try:
            allowed = await database_sync_to_async(_allowed)(asked.keys())
        except Exception as error:  # the database is away: each of them decides what that means
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # somebody who has left does not count as nobody having looked
            return
        for question, answer in asked.items():
            answer.set_result(question in allowed)


def _allowed(asked: Collection[Question]) -> set[Question]:
    teams = teams_of({caller for caller, _ in asked})
    team_of = dict(Run.objects.filter(pk__in={run_id for _, run_id in asked}).values_list("pk", "team_id"))
    return {(caller, run_id) for caller, run_id in asked if team_of.get(run_id) in teams[caller]}
