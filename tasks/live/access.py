"""Access checks of viewers, repeated every few seconds and answered for all of them at once."""

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
    """Batched access checks of one event loop.

    Questions that arrive during a query are answered together by the next.
    """

    def __init__(self) -> None:
        self._asked: dict[Question, asyncio.Future[bool]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def may_look(self, caller: Caller, run_id: UUID) -> bool:
        loop = asyncio.get_running_loop()
        answer = self._asked.setdefault((caller, run_id), loop.create_future())
        if self._answering is None:
            self._answering = loop.create_task(self._answer_all())
        return await asyncio.shield(answer)  # other callers may wait for the same answer

    async def close(self) -> None:
        if self._answering:
            await async_tasks.end([self._answering])

    async def _answer_all(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(0)  # let all viewers that woke up at the same moment ask
                asked, self._asked = self._asked, {}
                await self._answer(asked)
        finally:
            self._answering = None

    async def _answer(self, asked: dict[Question, asyncio.Future[bool]]) -> None:
        try:
            seen = await database_sync_to_async(allowed)(asked.keys())
        except Exception as error:  # the database is away: each caller decides what to do
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # avoid a warning if the caller has left
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
    """Drop the questions about runs of limited agents that the caller may not see."""
    person_of = people_of({caller for caller, _ in asked})
    seen = who_sees(set(limited.values()), set(person_of.values()))
    return {
        (caller, run_id)
        for caller, run_id in asked
        if run_id not in limited or (limited[run_id], person_of.get(caller)) in seen
    }
