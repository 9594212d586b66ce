"""Changes of the audit log. The database refuses some, and a checkpoint outside of it finds the others."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from accounts import audit
from accounts.models import AuditEntry, AuditHead, Team, User
from accounts.periodic import save_audit_checkpoints
from accounts.services import audit_chain, audit_checkpoints
from tests.architecture.code import ROOT
from tests.calling import api_of
from tests.standins.between import between_us_and_the_store

pytestmark = pytest.mark.django_db
SECURITY = ROOT / "docs" / "security.md"
TABLES = ("accounts_auditentry", "accounts_audithead")


@pytest.fixture
def log(team: Team, alice: User) -> Team:
    """Team with four entries and a checkpoint at the third."""
    write(team, 3)
    audit_chain.seal(team.pk)
    assert audit_checkpoints.save_due() == 1
    write(team, 1)
    audit_chain.seal(team.pk)
    return team


def write(team: Team, count: int) -> None:
    for n in range(count):
        audit.record(team=team, actor=None, action=f"a.{n}", target=team)


def as_owner(*statements: str) -> None:
    """Run statements with the rights of the tables' owner, who can disable the triggers."""
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            cursor.execute(statement)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def time_passes() -> None:
    AuditHead.objects.update(checkpointed_at=timezone.now() - audit_checkpoints.EVERY - timedelta(seconds=1))


@pytest.mark.parametrize(
    "sql",
    [
        "TRUNCATE accounts_auditentry",
        "TRUNCATE accounts_audithead",
        "TRUNCATE accounts_auditentry RESTART IDENTITY CASCADE",
        "DELETE FROM accounts_audithead",
        "UPDATE accounts_audithead SET seq = 2",
        "UPDATE accounts_audithead SET hash = repeat('0', 64)",
        "UPDATE accounts_audithead SET team_id = gen_random_uuid(), seq = seq + 1",
    ],
)
def test_the_database_refuses_to_empty_the_log_or_to_move_its_end_back(log: Team, sql: str) -> None:
    before = list(AuditEntry.objects.values()), list(AuditHead.objects.values())

    with pytest.raises(IntegrityError, match="audit"), transaction.atomic():
        connection.cursor().execute(sql)

    assert (list(AuditEntry.objects.values()), list(AuditHead.objects.values())) == before


def test_a_whole_log_is_confirmed_up_to_its_checkpoint(log: Team, alice: User) -> None:
    found = audit_chain.verify(log.pk)

    assert (found.entries, found.is_unbroken, found.checkpoint, found.note) == (4, True, 3, "")
    assert str(found) == f"4 entries, unbroken, head {found.head}, 3 confirmed by the checkpoint"
    shown = api_of(alice, log).get("/api/v1/audit/verify/").json()
    assert (shown["is_unbroken"], shown["checkpoint_entries"]) == (True, 3)


@pytest.mark.parametrize(
    ("statements", "at", "words"),
    [
        (["TRUNCATE accounts_auditentry, accounts_audithead"], 1, "is missing: the checkpoint of"),
        (["TRUNCATE accounts_auditentry"], 1, "is missing: the chain goes on to 4"),
        (
            [
                "DELETE FROM accounts_auditentry WHERE seq > 2",
                "UPDATE accounts_audithead SET seq = 2, hash = (SELECT hash FROM accounts_auditentry WHERE seq = 2)",
            ],
            3,
            "is missing: the checkpoint of",
        ),
    ],
)
def test_a_log_that_was_emptied_or_cut_off_is_found(log: Team, statements: list[str], at: int, words: str) -> None:
    as_owner(*statements)

    found = audit_chain.verify(log.pk)

    assert (found.is_unbroken, found.broken_at, found.entries) == (False, at, at - 1)
    assert found.problem.startswith(words)
    with pytest.raises(CommandError, match="not as it was written"):
        call_command("audit", "verify")


def test_a_log_that_was_written_anew_as_a_whole_is_found(log: Team) -> None:
    as_owner(
        "UPDATE accounts_auditentry SET action = 'a.nothing', seq = NULL, prev_hash = '', hash = ''",
        "DELETE FROM accounts_audithead",
    )
    audit_chain.seal(log.pk)
    assert audit_chain.verify_lines(audit_chain.line(e) for e in AuditEntry.objects.order_by("seq")).is_unbroken

    found = audit_chain.verify(log.pk)

    assert (found.broken_at, found.entries) == (3, 2)
    assert found.problem.startswith("is another one than in the checkpoint of")


def test_an_emptied_log_of_a_team_is_found_without_a_checkpoint_too(team: Team) -> None:
    found = audit_chain.verify(team.pk)

    assert (found.is_unbroken, found.broken_at) == (False, 1)
    assert found.problem == "is missing: making the team was recorded"


def test_a_checkpoint_moves_with_the_log_every_five_minutes(log: Team) -> None:
    assert audit_checkpoints.save_due() == 0

    time_passes()

    assert audit_checkpoints.save_due() == 1
    kept = audit_checkpoints.read(log.pk)
    assert kept is not None
    assert (kept.seq, kept.hash) == (4, AuditHead.objects.get(pk=log.pk).hash)
    time_passes()
    assert audit_checkpoints.save_due() == 0  # nothing new was sealed


def test_a_checkpoint_that_does_not_fit_stays_as_it_is(log: Team, caplog: pytest.LogCaptureFixture) -> None:
    kept = audit_checkpoints.read(log.pk)
    as_owner("TRUNCATE accounts_auditentry, accounts_audithead")
    write(log, 9)
    audit_chain.seal(log.pk)

    assert audit_checkpoints.save_due() == 0

    assert audit_checkpoints.read(log.pk) == kept
    assert f"The audit log of team {log.pk} does not fit its checkpoint" in caplog.text
    assert audit_chain.verify(log.pk).broken_at == 3


def test_a_restored_log_is_accepted_on_the_record(log: Team, capsys: pytest.CaptureFixture[str]) -> None:
    old = audit_checkpoints.read(log.pk)
    assert old is not None
    as_owner(
        "DELETE FROM accounts_auditentry WHERE seq > 2",
        "UPDATE accounts_audithead SET seq = 2, hash = (SELECT hash FROM accounts_auditentry WHERE seq = 2)",
    )
    two = AuditEntry.objects.get(seq=2)

    call_command("audit", "accept")
    call_command("audit", "accept")

    assert capsys.readouterr().out.splitlines() == ["Accepted: acme.", "Every log fits its checkpoint."]
    entry = AuditEntry.objects.get(seq=3)
    assert (entry.action, entry.data) == (
        "audit.checkpoint_accepted",
        {"before": {"seq": 3, "hash": old.hash}, "after": {"seq": 2, "hash": two.hash}},
    )
    assert audit_chain.verify(log.pk).checkpoint == 3


def test_a_file_store_that_is_away_is_told_and_stops_nothing(log: Team) -> None:
    time_passes()
    with between_us_and_the_store() as store:
        store.fail("reset")

        assert audit_checkpoints.save_due() == 0
        found = audit_chain.verify(log.pk)

    assert (found.entries, found.checkpoint) == (4, None)
    assert str(found).endswith("(the checkpoint in the file store cannot be read now)")
    assert AuditHead.objects.get(pk=log.pk).checkpoint_seq == 3
    assert audit_chain.verify(log.pk).checkpoint == 3


def test_checkpoints_are_set_aside_for_a_restored_log(log: Team) -> None:
    assert audit_checkpoints.set_aside("before-restore") > 0  # includes those of other tests
    assert audit_checkpoints.set_aside("before-restore") == 0

    found = audit_chain.verify(log.pk)

    assert default_storage.exists(f"audit/{log.pk}.before-restore.json")
    assert (found.is_unbroken, found.checkpoint) == (True, None)
    assert str(found).endswith("(its checkpoint is gone from the file store; a new one follows with new entries)")
    time_passes()
    assert audit_checkpoints.save_due() == 1
    assert audit_chain.verify(log.pk).checkpoint == 4


def test_the_job_saves_what_is_due_and_the_log_of_a_gone_team_takes_its_checkpoint_along(log: Team) -> None:
    time_passes()
    save_audit_checkpoints()
    kept = audit_checkpoints.read(log.pk)
    assert kept is not None
    assert kept.seq == 4
    Team.objects.update(removed_at=timezone.now())

    audit_chain.remove_chain(log.pk)

    assert audit_checkpoints.read(log.pk) is None
    assert str(audit_chain.verify(log.pk)) == f"0 entries, unbroken, head {audit_chain.GENESIS}"


def test_a_role_that_does_not_own_the_tables_writes_entries_and_gets_around_nothing() -> None:
    """Apply the grants of docs/security.md to a role that disappears with the rollback."""
    keys = json.loads((settings.VAR_DIR / "secrets.json").read_text())
    database = connection.settings_dict
    where = {"host": database["HOST"], "port": database["PORT"], "dbname": database["NAME"]}
    refused = psycopg.errors.InsufficientPrivilege
    with psycopg.connect(user="admin", password=keys["postgres_admin"], **where) as admin:
        for grant in GRANTS:
            admin.execute(grant)
        admin.execute("SET LOCAL ROLE deskhand_app")
        admin.execute(
            "INSERT INTO accounts_auditentry (team_id, at, actor_label, action, subject_type, subject_id,"
            " subject_label, data, request_id, address, prev_hash, hash)"
            " VALUES (gen_random_uuid(), now(), '', 'a.one', '', '', '', '{}', '', '', '', '')"
        )
        admin.execute("UPDATE accounts_auditentry SET seq = 1 WHERE action = 'a.one'")
        for sql in GOING_AROUND:
            with pytest.raises(refused), admin.transaction():
                admin.execute(sql)
        admin.rollback()


GRANTS: list[str] = re.findall(r"(?m)^(CREATE ROLE .*|GRANT .*);$", SECURITY.read_text())
GOING_AROUND = (
    "TRUNCATE accounts_auditentry",
    "ALTER TABLE accounts_auditentry DISABLE TRIGGER USER",
    "DROP TRIGGER accounts_audit_keep ON accounts_auditentry",
    "CREATE OR REPLACE FUNCTION accounts_audit_keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "SET LOCAL session_replication_role = replica",
)
