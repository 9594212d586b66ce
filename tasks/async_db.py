"""Postgres without the ORM, for what runs on an event loop: the engine and the live view."""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

_NAMES = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


def conninfo() -> str:
    """The database of the settings, also the one that a test made of it."""
    given: dict[str, Any] = connection.settings_dict
    named = {ours: given[theirs] for theirs, ours in _NAMES.items() if given.get(theirs)}
    more = {name: value for name, value in given["OPTIONS"].items() if isinstance(value, str)}
    return make_conninfo("", **named, **more)


def make_pool(*, max_size: int) -> AsyncConnectionPool[Any]:
    """A closed pool of autocommitting connections whose rows are dictionaries. Open it on the loop that uses it.

    What is sent over it is a fixed set of statements. Planning one of them anew for its values takes longer than it
    saves, so where connections keep statements (`DATABASE_PREPARED`) they keep one plan for each.
    """
    threshold = connection.settings_dict["OPTIONS"].get("prepare_threshold")
    return AsyncConnectionPool(
        conninfo(),
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=10,
        configure=None if threshold is None else _keep_one_plan,
        kwargs={"autocommit": True, "row_factory": dict_row, "prepare_threshold": threshold},
    )


async def _keep_one_plan(db: AsyncConnection[Any]) -> None:
    """By a statement: as an option of the connection it would replace the operator's, and a pooler may refuse it."""
    await db.execute("SET plan_cache_mode = force_generic_plan")


__all__ = ["DictRow", "conninfo", "make_pool"]
