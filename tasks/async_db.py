"""Postgres without the ORM, for code on an event loop: the engine and the live view."""

from __future__ import annotations

from typing import Any

from django.db import connection
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

_NAMES = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}


def conninfo() -> str:
    """Return the connection string of the settings' database, or of the test's copy of it."""
    given: dict[str, Any] = connection.settings_dict
    named = {ours: given[theirs] for theirs, ours in _NAMES.items() if given.get(theirs)}
    more = {name: value for name, value in given["OPTIONS"].items() if isinstance(value, str)}
    return make_conninfo("", **named, **more)


def make_pool(*, max_size: int) -> AsyncConnectionPool[Any]:
    """Return a closed pool of autocommitting connections with rows as dictionaries.

    Open it on the loop that uses it. Only a fixed set of statements is sent over it. Planning them again for each set
    of values costs more than it saves, so where connections keep prepared statements (`DATABASE_PREPARED`), they use
    generic plans.
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
    """Use generic plans on this connection.

    Set by a statement: as a connection option it would replace the operator's options, and a pooler may refuse it.
    """
    await db.execute("SET plan_cache_mode = force_generic_plan")


__all__ = ["DictRow", "conninfo", "make_pool"]
