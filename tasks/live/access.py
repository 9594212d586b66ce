"""May these viewers look at these runs? Asked again every few seconds, for all of them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

from channels.db import database_sync_to_async

from accounts.sockets import Caller, people_of, teams_of
from agents.services.visibility import who_sees
from tasks import async_tasks
from tasks.models import Run

Question = tuple[Caller, UUID]


class AccessChecks:
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
            await async_tasks.end([self._answering])

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
            seen = await database_sync_to_async(allowed)(asked.keys())
        except Exception as error:  # the database is away: each of them decides what that means
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # somebody who has left does not count as nobody having looked
            return
        for question, answer in asked.items():
            answer.set_result(question in seen)


def allowed(asked: Collection[Question]) -> set[Question]:
    teams = teams_of({caller for caller, _ in asked})
    rows = list(
        Run.objects.filter(pk__in={run_id for _, run_id in asked}).values_list(
            "pk", "team_id", "agent_id", "agent__is_limited"
        )
    )
    team_of = {run_id: team_id for run_id, team_id, _, _ in rows}
    found = {(caller, run_id) for caller, run_id in asked if team_of.get(run_id) in teams[caller]}
    limited = {run_id: agent_id for run_id, _, agent_id, is_limited in rows if is_limited}
    return _without_hidden(found, limited) if limited else found


def _without_hidden(asked: set[Question], limited: Mapping[UUID, UUID]) -> set[Question]:
    """Those whose run's agent is open to the team, or kept to people who include the caller."""
    person_of = people_of({caller for caller, _ in asked})
    seen = who_sees(set(limited.values()), set(person_of.values()))
    return {
        (caller, run_id)
        for caller, run_id in asked
        if run_id not in limited or (limited[run_id], person_of.get(caller)) in seen
    }
