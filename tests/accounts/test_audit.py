"""Audit log: the content of entries, the chain, and changes that the database refuses."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client

from accounts import audit
from accounts.errors import Conflict
from accounts.models import AuditEntry, AuditHead, Membership, Team, User
from accounts.services import audit_chain
from tests.accounts.people import browser
from tests.architecture.code import ROOT, modules
from tests.calling import Api, api_of
from tests.clocks import clock_that_is_wrong_by
from tests.factories import PASSWORD, AgentFactory, TaskFactory, TeamFactory, UserFactory
from tests.timeouts import PATIENCE_S


def write(team: Team, actor: User | None, *names: str) -> None:
    for name in names:
        audit.record(team=team, actor=actor, action=name, target=team, note=f"é {name}")


def tamper(sql: str, *values: Any) -> None:
    """Change rows with the rights of the database's owner, who can disable the trigger."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditentry DISABLE TRIGGER accounts_audit_keep")
        cursor.execute(sql, values)
        cursor.execute("ALTER TABLE accounts_auditentry ENABLE TRIGGER accounts_audit_keep")


def test_recording_is_one_statement(team: Team, alice: User, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        write(team, alice, "a.one")


def test_an_entry_says_who_by_which_key_from_where(team: Team, alice: User) -> None:
    api = api_of(alice, team)

    answer = api.send("PATCH", "/api/v1/me/", {"name": "Alice B."}, X_Request_Id="trace-1234")
    made = api.send("POST", "/api/v1/api-keys/", {"name": "CI", "scopes": ["runs:read"]}, X_Request_Id="trace-1235")

    assert (answer.status_code, made.status_code) == (200, 201)
    entry = AuditEntry.objects.get(request_id="trace-1235")
    assert entry.actor == alice
    assert entry.actor_label.startswith("alice@example.com by key Tests (dh_")
    assert (entry.action, entry.subject_id, entry.address) == ("api_key.created", made.json()["id"], "127.0.0.1")


@pytest.mark.parametrize("hours", [-2, 2])
def test_an_entry_is_dated_by_the_clock_of_the_database(
    team: Team, alice: User, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.utils.timezone.datetime", clock_that_is_wrong_by(hours=hours))

    write(team, None, "a.one")
    audit.record_person(person=alice, actor=alice, action="a.two")

    assert len(entries := AuditEntry.objects.filter(action__startswith="a.")) == 2
    assert all(abs(entry.at - datetime.now(UTC)) < timedelta(minutes=5) for entry in entries)


def test_entries_are_sealed_into_one_chain(team: Team, other_team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two")
    write(other_team, None, "b.one")
    assert audit_chain.seal(team.pk) == 2
    write(team, alice, "a.three")
    assert audit_chain.seal(team.pk) == 1
    assert audit_chain.seal(team.pk) == 0

    one, two, three = AuditEntry.objects.for_team(team).order_by("seq")
    assert [e.seq for e in (one, two, three)] == [1, 2, 3]
    assert one.prev_hash == audit_chain.GENESIS
    assert (two.prev_hash, three.prev_hash) == (one.hash, two.hash)
    assert AuditHead.objects.get(team=team).hash == three.hash
    assert AuditEntry.objects.for_team(other_team).get().seq is None
    assert str(audit_chain.verify(team.pk)) == f"3 entries, unbroken, head {three.hash}"
    assert str(audit_chain.verify(uuid4())) == f"0 entries, unbroken, head {audit_chain.GENESIS}"


def test_many_are_sealed_in_batches(team: Team, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_chain, "BATCH", 3)
    write(team, alice, *(f"a.{n}" for n in range(7)))

    assert audit_chain.seal_pending() == 3
    assert audit_chain.seal(team.pk) == 4
    assert audit_chain.verify(team.pk).entries == 7


@pytest.mark.parametrize(
    ("sql", "at", "words"),
    [
        ("UPDATE accounts_auditentry SET action = 'a.nothing' WHERE seq = 2", 2, "was altered"),
        ("UPDATE accounts_auditentry SET data = '{}' WHERE seq = 3", 3, "was altered"),
        ("UPDATE accounts_auditentry SET at = at + interval '1 us' WHERE seq = 1", 1, "was altered"),
        ("DELETE FROM accounts_auditentry WHERE seq = 2", 2, "is missing"),
        ("DELETE FROM accounts_auditentry WHERE seq = 4", 4, "is missing"),
        ("DELETE FROM accounts_auditentry", 1, "is missing"),
        (
            "UPDATE accounts_auditentry SET seq = 9 - seq WHERE seq IN (2, 3); "
            "UPDATE accounts_auditentry SET seq = seq - 4 WHERE seq > 4",
            2,
            "was altered",
        ),
    ],
)
def test_verify_names_the_first_entry_that_is_not_as_it_was(
    team: Team, alice: User, sql: str, at: int, words: str
) -> None:
    write(team, alice, "a.one", "a.two", "a.three", "a.four")
    assert audit_chain.verify(team.pk).is_unbroken

    tamper(sql)

    found = audit_chain.verify(team.pk)
    assert (found.broken_at, found.entries) == (at, at - 1)
    assert words in found.problem


def test_an_entry_that_was_written_anew_with_its_hash_is_found_at_the_next_one(team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two", "a.three")
    audit_chain.seal(team.pk)
    two = AuditEntry.objects.get(seq=2)
    two.actor_label = "mallory@example.com"

    tamper(
        "UPDATE accounts_auditentry SET actor_label = %s, hash = %s WHERE seq = 2",
        two.actor_label,
        audit_chain.hash_of(two.prev_hash, audit_chain.content(two, 2)),
    )

    found = audit_chain.verify(team.pk)
    assert (found.broken_at, found.problem[:30]) == (3, "is not the one that followed: ")


@pytest.mark.parametrize("is_sealed", [False, True])
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE accounts_auditentry SET action = 'a.nothing'",
        "UPDATE accounts_auditentry SET seq = 7, action = 'a.nothing'",
        "UPDATE accounts_auditentry SET seq = NULL",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(team: Team, alice: User, is_sealed: bool, sql: str) -> None:
    write(team, alice, "a.one")
    if is_sealed:
        audit_chain.seal(team.pk)
    before = AuditEntry.objects.values().get()

    with pytest.raises(IntegrityError, match="audit log cannot be"), transaction.atomic():
        connection.cursor().execute(sql)

    assert AuditEntry.objects.values().get() == before


def test_the_log_outlives_its_people_and_its_team_until_it_is_removed(team: Team) -> None:
    person = UserFactory()
    write(team, person, "a.one", "a.two")
    audit_chain.seal(team.pk)
    with pytest.raises(Conflict):
        audit_chain.remove_chain(team.pk)
    team_id = team.pk

    person.delete()
    team.delete()  # the product never deletes the row of a team; this is the worst case

    assert audit_chain.verify(team_id).entries == 2
    assert AuditEntry.objects.filter(team_id=team_id).first().actor_label == person.email
    assert audit_chain.remove_chain(team_id) == 2
    assert AuditHead.objects.filter(team_id=team_id).exists() is False


def test_an_export_is_verified_without_the_database(team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two")

    lines = [json.loads(text) for text in audit_chain.export(team.pk)]

    assert audit_chain.verify_lines(lines) == audit_chain.verify(team.pk)
    assert audit_chain.verify_lines(lines[1:]).problem == "is missing"
    assert audit_chain.verify_lines([lines[0], lines[0]]).problem == "is there twice"
    assert audit_chain.verify_lines([lines[0] | {"actor_label": "mallory"}, lines[1]]).problem == "was altered"


@pytest.mark.django_db(transaction=True)
def test_an_entry_that_commits_late_gets_the_next_place() -> None:
    team, alice = TeamFactory(), UserFactory()
    written, sealed = threading.Event(), threading.Event()

    def late() -> None:
        try:
            with transaction.atomic():
                write(team, alice, "a.late")
                written.set()
                assert sealed.wait(PATIENCE_S)
        finally:
            connection.close()

    thread = threading.Thread(target=late)
    thread.start()
    assert written.wait(PATIENCE_S)
    write(team, alice, "a.early")
    assert audit_chain.seal(team.pk) == 1
    sealed.set()
    thread.join(PATIENCE_S)

    assert audit_chain.verify(team.pk).entries == 2
    rows = AuditEntry.objects.for_team(team).order_by("seq")
    assert [row.action for row in rows] == ["a.early", "a.late"]
    assert rows[0].pk > rows[1].pk


@pytest.mark.django_db(transaction=True)
def test_four_that_seal_at_once_make_one_chain() -> None:
    team, alice = TeamFactory(), UserFactory()
    start = threading.Barrier(4)

    def work() -> None:
        try:
            start.wait(PATIENCE_S)
            for n in range(20):
                write(team, alice, f"a.{n}")
                audit_chain.seal(team.pk)
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert audit_chain.verify(team.pk).entries == 80


def test_the_command_verifies_exports_and_removes(
    team: Team, alice: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(team, alice, "a.one", "a.two")

    call_command("audit", "export", "--team", "acme")
    lines = capsys.readouterr().out
    (tmp_path / "log.ndjson").write_text(lines)
    (tmp_path / "changed.ndjson").write_text(lines.replace("a.two", "a.too"))
    call_command("audit", "verify")
    call_command("audit", "verify", "--file", str(tmp_path / "log.ndjson"))

    verdict = audit_chain.verify(team.pk)
    assert capsys.readouterr().out.splitlines() == [f"{team.pk}: {verdict}", f"log.ndjson: {verdict}"]
    with pytest.raises(CommandError, match="not as it was written"):
        call_command("audit", "verify", "--file", str(tmp_path / "changed.ndjson"))
    assert "entry 2 was altered; 1 entries before it are in order" in capsys.readouterr().out
    with pytest.raises(CommandError, match="still exists"):
        call_command("audit", "remove", "--team", "acme")
    with pytest.raises(CommandError, match="Say which team"):
        call_command("audit", "remove")


def test_signing_in_and_out_is_recorded_in_every_team_of_the_person(team: Team, other_team: Team, alice: User) -> None:
    Membership.objects.create(team=other_team, user=alice, role="viewer")
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    cache.clear()
    browser = Client()

    browser.post("/accounts/login/", {"login": alice.email, "password": "wrong"})
    browser.post("/accounts/login/", {"login": alice.email, "password": PASSWORD})
    browser.post("/accounts/logout/")
    Api().send("POST", "/api/v1/auth/token/", {"email": alice.email, "password": PASSWORD})

    for where in (team, other_team):
        found = AuditEntry.objects.for_team(where).order_by("id")
        assert [(entry.action, entry.data.get("by")) for entry in found] == [
            ("session.signed_in", "page"),
            ("session.signed_out", None),
            ("session.signed_in", "token"),
        ]
        assert {(entry.actor, entry.address) for entry in found} == {(alice, "127.0.0.1")}


def test_a_change_of_addresses_is_recorded(team: Team, alice: User) -> None:
    alice.emailaddress_set.create(email=alice.email, verified=True, primary=True)
    cache.clear()
    page, new = browser(alice), "new@example.com"
    page.post("/accounts/reauthenticate/", {"password": PASSWORD})
    signed_in = AuditEntry.objects.latest("id")

    page.post("/accounts/email/", {"action_add": "", "email": new})
    alice.emailaddress_set.filter(email=new).update(verified=True)
    page.post("/accounts/email/", {"action_primary": "", "email": new})
    page.post("/accounts/email/", {"action_remove": "", "email": "alice@example.com"})

    assert list(AuditEntry.objects.filter(pk__gt=signed_in.pk).order_by("id").values_list("action", "data")) == [
        ("person.address_added", {"address": new}),
        ("person.address_changed", {"before": "alice@example.com", "after": new}),
        ("person.address_removed", {"address": "alice@example.com"}),
    ]


def last(action: str) -> dict[str, Any]:
    data: dict[str, Any] = AuditEntry.objects.filter(action=action).latest("id").data
    return data


def test_what_was_changed_is_in_the_entry_with_its_old_and_new_value(team: Team, alice: User, bob: User) -> None:
    api, rita = api_of(alice, team), AgentFactory(team=team, name="Rita", role="Analyst")
    task = TaskFactory(team=team, agent=rita, name="Weekly", prompt="Look.")
    agent, job = f"/api/v1/agents/{rita.pk}/", f"/api/v1/tasks/{task.pk}/"
    me, members = "/api/v1/me/", f"/api/v1/teams/{team.slug}/members/"

    api.send("PATCH", agent, {"role": "Analyst", "limits": {"max_cost_usd": "2.50"}, "budget_monthly_usd": "20"})
    api.send("PATCH", agent, {"options": {"four_eyes": True}})
    api.send("PUT", f"/api/v1/budgets/agents/{rita.pk}/", {"limit_usd": "30"})
    api.send("DELETE", f"/api/v1/budgets/agents/{rita.pk}/")
    api.send("POST", f"{agent}versions/1/restore/")
    api.send("PUT", f"{agent}people/", {"limited_to": [str(bob.pk)]})
    api.send("PATCH", job, {"name": "Daily", "prompt": "Look.", "limits": {"max_turns": 7}})
    api.send("PATCH", me, {"name": "Alice B."})
    api.send("PATCH", f"{members}{bob.pk}/", {"role": "viewer"})
    api.send("PATCH", f"/api/v1/teams/{team.slug}/", {"name": "Acme Research"})

    first, second = (entry.data for entry in AuditEntry.objects.filter(action="agent.changed").order_by("id"))
    assert first == {
        "before": {"max_cost_usd": "1.00", "version": 1, "budget_monthly_usd": None},
        "after": {"max_cost_usd": "2.50", "version": 2, "budget_monthly_usd": "20.00"},
    }
    assert second == {"before": {"options": {}, "version": 2}, "after": {"options": {"four_eyes": True}, "version": 3}}
    budget = {"agent": str(rita.pk)}
    assert last("budget.set") == budget | {"before": {"limit_usd": "20.000000"}, "after": {"limit_usd": "30.00"}}
    assert last("budget.cleared") == budget | {"before": {"limit_usd": "30.000000"}, "after": {"limit_usd": None}}
    assert last("agent.restored") == {
        "number": 1,
        "before": {"max_cost_usd": "2.50", "options": {"four_eyes": True}, "version": 3},
        "after": {"max_cost_usd": "1.00", "options": {}, "version": 4},
    }
    assert last("agent.limited") == {"before": "everyone", "after": [str(bob.pk)]}
    assert last("task.changed") == {
        "before": {"name": "Weekly", "max_turns": None},
        "after": {"name": "Daily", "max_turns": 7},
    }
    assert last("person.changed") == {"before": {"name": "Alice"}, "after": {"name": "Alice B."}}
    assert last("member.role_changed") == {"before": "member", "after": "viewer"}
    assert last("team.renamed") == {"before": "Acme", "after": "Acme Research"}
    assert audit_chain.verify(team.pk).is_unbroken


def test_a_long_value_is_kept_as_its_start_its_length_and_its_hash(team: Team, alice: User) -> None:
    rita = AgentFactory(team=team, version__instructions="Look.")
    long = "é" * 5000

    api_of(alice, team).send("PATCH", f"/api/v1/agents/{rita.pk}/", {"instructions": long})

    kept = {"start": "é" * 300, "length": 5000, "sha256": hashlib.sha256(long.encode()).hexdigest()}
    assert last("agent.changed")["before"]["instructions"] == "Look."
    assert last("agent.changed")["after"]["instructions"] == kept


CHANGING = re.compile(r"\w+\.(\w+_)?(changed|renamed|restored|limited|transferred|chosen|set|assigned)")


def test_every_action_that_changes_something_records_both_values() -> None:
    """Find every call that records a change. It passes before and after, by name or as `**values`."""
    calls: dict[str, set[str | None]] = {}
    for path in modules():
        for node in ast.walk(ast.parse((ROOT / path).read_text())):
            given = {word.arg: word.value for word in node.keywords} if isinstance(node, ast.Call) else {}
            action = given.get("action")
            if isinstance(action, ast.Constant) and CHANGING.fullmatch(str(action.value)):
                calls[str(action.value)] = set(given)

    without = {action for action, given in calls.items() if "before" not in given and None not in given}
    assert without == {"person.password_changed"}
    assert len(calls) > 8
