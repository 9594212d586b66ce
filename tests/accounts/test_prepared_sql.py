"""Prepared SQL: it finds and writes what Django's own SQL would."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F, QuerySet, Value
from django.test.utils import CaptureQueriesContext
from psycopg._queries import MAX_CACHED_STATEMENT_PARAMS

from accounts.models import AuditEntry, Team, User
from accounts.prepared_sql import Param, PreparedQuery, insert, prime_relation
from tasks.models import Run, RunEvent, Step
from tests.factories import AgentFactory, RunFactory, TaskFactory, start_run

pytestmark = pytest.mark.django_db


def runs_of_team() -> QuerySet[Run]:
    rows = Run.objects.select_related("agent", "task", "created_by").annotate(turns_left=F("max_turns") - F("turns"))
    return rows.filter(team=Param("team"), status="queued").order_by("pk")


def test_a_prepared_query_finds_whole_rows_of_what_each_call_names(team: Team, other_team: Team, alice: User) -> None:
    plain = RunFactory(team=team, metadata={"a": [1, None]}, turns=2)
    full = RunFactory(team=team, task=TaskFactory(team=team), created_by=alice)
    elsewhere = RunFactory(team=other_team)
    kept = PreparedQuery(runs_of_team)

    first, second = kept.all(team=team.pk)

    assert (first, second, kept.first(team=other_team.pk)) == (plain, full, elsewhere)
    with CaptureQueriesContext(connection) as asked:
        assert (first.metadata, first.task, first.created_by, first.agent) == (
            {"a": [1, None]},
            None,
            None,
            plain.agent,
        )
        assert (second.task, second.created_by, second.agent.name) == (full.task, alice, full.agent.name)
    assert len(asked) == 0
    assert (first.turns_left, first.created_at) == (plain.max_turns - 2, plain.created_at)  # type: ignore[attr-defined]
    first.title = "Changed"
    first.save()
    assert Run.objects.get(pk=plain.pk).title == "Changed"


def test_a_prepared_query_is_built_once_and_asks_once_for_what_it_prefetches(team: Team) -> None:
    built = []

    def build() -> QuerySet[Run]:
        built.append(1)
        return Run.objects.filter(team=Param("team")).prefetch_related("events")

    kept = PreparedQuery(build)
    run = RunFactory(team=team)
    RunEvent.objects.create(run=run, seq=1, type="log")

    for _ in range(2):
        with CaptureQueriesContext(connection) as asked:
            assert [event.seq for found in kept.all(team=team.pk) for event in found.events.all()] == [1]
        assert len(asked) == 2

    assert built == [1]


def test_nothing_found_is_none(team: Team) -> None:
    assert PreparedQuery(runs_of_team).first(team=team.pk) is None


def test_a_value_is_never_read_as_sql(team: Team) -> None:
    kept = PreparedQuery(lambda: Team.objects.filter(slug=Param("slug")).annotate(one=Value(1)))

    assert kept.first(slug="acme' OR '1'='1") is None
    assert kept.first(slug="acme") == team


def test_postgres_keeps_the_plan_of_prepared_sql_alone(team: Team) -> None:
    """Look for prepared statements. A kept plan is one for any value, but filters need one for their own values."""
    kept = PreparedQuery(lambda: Team.objects.filter(slug=Param("slug")))

    for _ in range(5):
        assert kept.first(slug="acme") == Team.objects.filter(name=team.name).get() == team

    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%accounts_team%'")
        statements = [statement for (statement,) in cursor.fetchall()]
    assert ['"slug" = ($1)' in statement for statement in statements] == [True]


def test_rows_of_several_kinds_are_inserted_in_one_statement(team: Team, alice: User) -> None:
    agent = AgentFactory(team=team)
    run = Run(
        team=team, agent=agent, version=agent.version, created_by=alice, title="Kept", prompt="-", metadata={"a": "'"},
        max_cost_usd="0.50", max_turns=3, timeout_s=60,
    )  # fmt: skip
    lines = [RunEvent(run_id=run.pk, seq=n, type="log", data={"text": "%s"}) for n in (1, 2)]
    entry = AuditEntry(team=team, actor=None, actor_label="system", action="run.started", subject_type="run")

    with CaptureQueriesContext(connection) as asked:
        insert(run, *lines, entry)

    assert len(asked) == 1
    there = Run.objects.get(pk=run.pk)
    changed: dict[str, Any] = {"max_cost_usd": there.max_cost_usd}
    assert values(there) == values(run) | changed
    assert [(event.seq, event.data, event.at) for event in there.events.order_by("seq")] == [
        (line.seq, line.data, line.at) for line in lines
    ]
    assert AuditEntry.objects.get(action="run.started", data={}).team == team
    run.title = "Saved as a row that exists"
    run.save()
    assert Run.objects.count() == 1


def test_rows_with_empty_fields_stand_beside_full_ones(team: Team, alice: User) -> None:
    by_one = AuditEntry(team=team, actor=alice, actor_label="'; --", action="x", subject_type="run", subject_id="NULL")
    by_none = AuditEntry(team=team, actor=None, actor_label="", action="x", subject_type="%s", subject_id="")

    insert(by_one, by_none)
    insert(AuditEntry(team=team, actor=alice, actor_label="", action="y", subject_type="run", subject_id=""))

    rows = AuditEntry.objects.filter(team=team, action="x").order_by("pk")
    assert [(row.actor, row.actor_label, row.subject_type, row.subject_id) for row in rows] == [
        (alice, "'; --", "run", "NULL"),
        (None, "", "%s", ""),
    ]
    assert AuditEntry.objects.get(action="y").actor == alice


def test_a_new_run_sends_so_few_values_that_the_driver_remembers_its_statement(team: Team, alice: User) -> None:
    sent: list[int] = []

    def count(execute: Any, sql: str, values: Any, *more: Any) -> Any:
        sent.append(len(values or ()))
        return execute(sql, values, *more)

    with connection.execute_wrapper(count):
        start_run(team=team, actor=alice, agent=AgentFactory(team=team), prompt="Go")

    assert 30 < max(sent) <= MAX_CACHED_STATEMENT_PARAMS


def test_zero_and_false_are_written_and_read_as_what_they_are(team: Team) -> None:
    run = RunFactory.build(agent=AgentFactory(team=team), turns=0, review=False, notify_on_success=True, priority=-1)

    insert(run)

    there = Run.objects.get(pk=run.pk)
    assert (there.turns, there.review, there.notify_on_success, there.priority) == (0, False, True, -1)


def test_a_value_goes_before_the_default_of_its_column(team: Team) -> None:
    run = RunFactory.build(agent=AgentFactory(team=team), origin="api", continued_at_step=3)

    insert(run)
    insert(Step(run=run, index=1, kind="tool", status="done", effect_at=None), Step(run=run, index=2, kind="tool"))

    there = Run.objects.get(pk=run.pk)
    assert (there.origin, there.continued_at_step, there.turns_before) == ("api", 3, 0)
    assert [step.effect_at is None for step in there.steps.order_by("index")] == [True, False]


def test_a_row_that_the_database_refuses_leaves_nothing_of_its_statement(team: Team) -> None:
    run = RunFactory(team=team)
    twice = [RunEvent(run_id=run.pk, seq=1, type="log") for _ in range(2)]
    entry = AuditEntry(team=team, actor_label="system", action="x", subject_type="run")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(entry, *twice)

    assert RunEvent.objects.filter(run=run).count() == 0
    assert AuditEntry.objects.filter(action="x").count() == 0


def test_what_is_known_is_not_asked(team: Team) -> None:
    run = RunFactory(team=team)
    event = RunEvent(run=run, seq=1, type="log")

    prime_relation(run, "events", [event])

    with CaptureQueriesContext(connection) as asked:
        assert list(run.events.all()) == [event]
    assert len(asked) == 0
    run.refresh_from_db()
    assert list(run.events.all()) == []


def values(run: Run) -> dict[str, Any]:
    return {field.attname: getattr(run, field.attname) for field in Run._meta.concrete_fields}
