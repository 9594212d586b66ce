"""Hooks of tools (see `accounts.hooks`)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from accounts.hooks import hook
from tools.spec import ToolSpec


@hook
def team_tools(*, team_id: UUID, names: Collection[str] | None) -> Iterable[ToolSpec]:
    """Yield the tools that the team defined itself, in the order in which people see them.

    `names`: only these; None: all of them. May query the database: the engine calls it on a thread.
    """
    return ()
