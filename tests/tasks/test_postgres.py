"""Prepared statements and plans of the engine's connections, with and without a pooler."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import connection

from tasks import async_db

KEPT = "SELECT name FROM pg_prepared_statements WHERE NOT from_sql"


async def _told_after_some_use() -> tuple[str, int]:
    async with async_db.make_pool(max_size=1) as pool, pool.connection() as db:
        for _ in range(12):
            await db.execute("SELECT %s::int", (1,))
        mode = await (await db.execute("SHOW plan_cache_mode")).fetchone()
        kept = await (await db.execute(KEPT)).fetchall()
        return mode["plan_cache_mode"], len(kept)


@pytest.mark.django_db
def test_a_statement_is_planned_once() -> None:
    mode, kept = asyncio.run(_told_after_some_use())

    assert mode == "force_generic_plan"
    assert kept >= 1


@pytest.mark.django_db
def test_what_the_operator_asks_of_connections_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"] | {"options": "-c statement_timeout=54321"}
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    async def told() -> Any:
        async with async_db.make_pool(max_size=1) as pool, pool.connection() as db:
            return await (await db.execute("SHOW statement_timeout")).fetchone()

    assert asyncio.run(told()) == {"statement_timeout": "54321ms"}
    assert asyncio.run(_told_after_some_use())[0] == "force_generic_plan"


@pytest.mark.django_db
def test_behind_a_pooler_nothing_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = dict(connection.settings_dict["OPTIONS"])
    options.pop("prepare_threshold")
    monkeypatch.setitem(connection.settings_dict, "OPTIONS", options)

    assert asyncio.run(_told_after_some_use()) == ("auto", 0)
