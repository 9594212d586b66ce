"""Tools of a run: a team's own, and ones that change or go while it is under way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.db import OperationalError

from accounts.models import Team
from tasks.models import Run
from tests.tasks.scripted import Scripted, call, engine, last, say, settled
from tools import catalog
from tools.hooks import team_tools
from tools.spec import ToolContext, ToolResult, ToolSpec

pytestmark = pytest.mark.usefixtures("transactional_db", "fast_engine")
Play = Callable[..., Scripted]
Start = Callable[..., Run]


def ring(context: ToolContext, arguments: Mapping[str, Any]) -> ToolResult:
    return ToolResult(content=f"Rang for {context.team_id}.", summary="Rang")


RING = replace(
    catalog.builtin("list_files"),
    name="ring",
    title="Ring the bell",
    input_schema={"type": "object", "additionalProperties": False},
    uses_workspace=False,
    run=ring,
)


@pytest.fixture
def source(team: Team) -> Iterator[list[str]]:
    """Source with one tool of the team, which is away the first time. Yields the threads that asked it."""
    asked_on: list[str] = []

    @team_tools.register
    def own(*, team_id: UUID, names: Collection[str] | None) -> Iterable[ToolSpec]:
        asked_on.append(threading.current_thread().name)
        if len(asked_on) == 1:
            raise OperationalError("the database is away")
        return [RING] if team_id == team.pk else []

    yield asked_on
    team_tools.unregister(own)


def test_a_run_uses_a_tool_of_its_team_looked_up_off_the_loop(
    scripted: Play, start: Start, team: Team, source: list[str]
) -> None:
    runtime = scripted([call("ring")], [say("Done.")])

    with engine():
        run = start("ring", "list_files")
        settled(run, "succeeded")

    assert [tool.name for tool in runtime.calls[0].tools] == ["ring", "list_files"]
    assert last(run, "tool.finished")["preview"] == f"Rang for {team.pk}."
    assert len(source) == 2
    assert all(name.startswith("files") for name in source)


def test_a_run_with_builtin_tools_asks_no_source(scripted: Play, start: Start, source: list[str]) -> None:
    scripted([call("list_files")], [say("Done.")])

    with engine():
        settled(start("list_files"), "succeeded")

    assert source == []
