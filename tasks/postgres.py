"""Postgres without the ORM, for what runs on an event loop: the engine and the live view."""

from __future__ import annotations

from typing import Any

from django.db import connection
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
    """A closed pool of autocommitting connections whose rows are dictionaries. Open it on the loop that uses it."""
    return AsyncConnectionPool(
        conninfo(),
        min_size=1,
        max_size=max_size,
        open=False,
        timeout=10,
        kwargs={"autocommit": True, "row_factory": dict_row},
    )


__all__ = ["DictRow", "conninfo", "make_pool"]
