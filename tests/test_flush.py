"""Flush of the database after transactional tests: the rows it keeps, and the transactions it waits for."""

from __future__ import annotations

import psycopg
import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from accounts.models import AuditEntry, Team, User
from billing.models import Price
from tasks.models import RunEvent
from tests import flush
from tests.tasks.conftest import start

__all__ = ["start"]

pytestmark = pytest.mark.django_db(transaction=True)


def _counts() -> dict[str, int]:
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.django_table_names(only_existing=True, include_views=False):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608 - our own tables
            if count := cursor.fetchone()[0]:
                found[table] = count
    return found


def test_only_the_rows_of_the_migrations_are_left(start, alice: User) -> None:
    before, prices = _counts(), sorted(Price.objects.values_list())
    assert len(prices) > 5
    start()
    Price.objects.all().delete()
    assert AuditEntry.objects.exists()
    assert RunEvent.objects.exists()

    flush.empty_tables()

    left = _counts()
    assert left.keys() == {"auth_permission", "billing_price", "django_content_type"}
    assert left == {table: before[table] for table in left}
    assert sorted(Price.objects.values_list()) == prices


def test_triggers_and_foreign_keys_are_at_work_again_after_it(alice: User) -> None:
    flush.empty_tables()

    with pytest.raises(DatabaseError, match="audit"), connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_auditentry")
    with pytest.raises(DatabaseError, match="foreign key"), transaction.atomic():
        Team.objects.create(name="New", slug="new").memberships.create(user_id=2_000_000_000)


def test_a_transaction_that_a_test_left_open_is_noticed(alice: User) -> None:
    with psycopg.connect(_address()) as other:
        other.execute("SELECT count(*) FROM accounts_user")
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")

        with pytest.raises(OperationalError, match="lock timeout"):
            flush.empty_tables()

        assert User.objects.filter(pk=alice.pk).exists()
    connection.close()


def _address() -> str:
    return psycopg.conninfo.make_conninfo(
        **{
            name: value
            for name, value in connection.get_connection_params().items()
            if name in ("host", "port", "user", "password", "dbname")
        }
    )
