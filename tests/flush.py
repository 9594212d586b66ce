"""Empty the database after a transactional test, in milliseconds.

Django's `flush` truncates every table, which makes new files for each, and then creates the content types and
permissions again. Here one transaction locks the tables as TRUNCATE does (so a test that left a transaction open is
noticed), deletes what is in them, and puts back the rows that the migrations made.
"""

from __future__ import annotations

from functools import cache

from django.db import connection, transaction
from psycopg import sql

_KEPT = ("django_migrations", "django_content_type", "auth_permission")
"""Rows that follow from the code; no test changes them."""


def remember_migrated_rows() -> None:
    """Read what the migrations put into the tables. Call it before the first test."""
    _migrated_rows()


def empty_tables() -> None:
    names = [sql.Identifier(table) for table in _tables()]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(sql.SQL(", ").join(names)))
        # No triggers: the audit log refuses to be emptied, and foreign keys would ask for an order.
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(sql.SQL("; ").join(sql.SQL("DELETE FROM {}").format(name) for name in names))
        for table, rows in _migrated_rows().items():
            put_back = sql.SQL("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, %s)")
            cursor.execute(put_back.format(sql.Identifier(table)), [rows])


@cache
def _tables() -> list[str]:
    found = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(found) - set(_KEPT))


@cache
def _migrated_rows() -> dict[str, str]:
    """The rows of each table that is not empty, as JSON."""
    found = {}
    with connection.cursor() as cursor:
        for table in _tables():
            cursor.execute(sql.SQL("SELECT json_agg(row)::text FROM {} row").format(sql.Identifier(table)))
            if (rows := cursor.fetchone()[0]) is not None:
                found[table] = rows
    return found
