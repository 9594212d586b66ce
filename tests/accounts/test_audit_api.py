"""Audit log in the API: who may read it, what it shows, and the chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts import audit
from accounts.models import AuditEntry, Team, User
from accounts.services import audit_chain
from tests.accounts.test_audit import tamper, write
from tests.calling import Api, api_of, signed_in

AUDIT = "/api/v1/audit/"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)  # leaves an entry: its key was created


def actions(answer: Any) -> list[str]:
    return [row["action"] for row in answer.json()["results"]]


def test_the_log_is_read_page_by_page_newest_first(api: Api, team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two", "a.three")

    first = api.get(f"{AUDIT}?limit=2")
    second = api.get(first.json()["next"])

    assert (actions(first), actions(second)) == (["a.three", "a.two"], ["a.one", "api_key.created"])
    assert second.json()["next"] is None
    assert actions(api.get(second.json()["previous"])) == ["a.three", "a.two"]
    assert actions(api.get(f"{AUDIT}?ordering=created_at&limit=1")) == ["api_key.created"]
    newest = first.json()["results"][0]
    entry = AuditEntry.objects.get(action="a.three")
    said = audit_chain.line(entry)
    assert newest == {name: said[name] for name in newest}
    assert (newest["seq"], newest["actor"], newest["prev_hash"]) == (4, str(alice.pk), entry.prev_hash)


def test_the_log_is_filtered(api: Api, team: Team, alice: User, bob: User) -> None:
    write(team, alice, "a.one")
    write(team, bob, "b.one", "b.two")
    audit.record(team=team, actor=None, action="c.one", target=alice)

    def found(query: str) -> list[str]:
        return actions(api.get(f"{AUDIT}?{query}"))

    assert found(f"actor={bob.pk}") == ["b.two", "b.one"]
    assert found("actor=BOB@") == ["b.two", "b.one"]
    assert found("actor=system") == ["c.one"]
    assert found("actor=%25") == []
    assert found("action=b") == ["b.two", "b.one"]
    assert found("action=b.one") == ["b.one"]
    assert found(f"subject={alice.pk}") == ["c.one"]
    assert found("since=2000-01-01T00:00:00Z&action=a") == ["a.one"]
    assert found("until=2000-01-01T00:00:00Z") == []
    assert found(f"since={datetime.now(UTC).year + 1}-01-01T00:00:00Z") == []


@pytest.mark.parametrize("query", ["actor_label__regex=(a%2B)%2B%24", "team=1", "ordering=hash", "since=yesterday"])
def test_a_filter_that_there_is_not_is_refused(api: Api, query: str) -> None:
    answer = api.get(f"{AUDIT}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_parameter")


def test_the_export_is_the_chain(api: Api, team: Team, alice: User, other_team: Team) -> None:
    write(team, alice, "a.one")
    write(other_team, None, "b.one")

    answer = api.get(f"{AUDIT}export/")

    body = b"".join(answer.streaming_content).decode()
    lines = [json.loads(text) for text in body.splitlines()]
    assert [said["action"] for said in lines] == ["api_key.created", "a.one"]
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Disposition"] == 'attachment; filename="audit-acme.ndjson"'
    assert int(answer["Content-Length"]) == len(body.encode())
    assert audit_chain.verify_lines(lines) == audit_chain.verify(team.pk)


def test_verifying_names_the_first_entry_that_was_altered(api: Api, team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two")
    before = api.get(f"{AUDIT}verify/").json()

    tamper("UPDATE accounts_auditentry SET actor_label = 'mallory' WHERE action = 'a.one'")

    after = api.get(f"{AUDIT}verify/").json()
    head = AuditEntry.objects.get(seq=3).hash
    assert before == {
        "checkpoint_entries": None,
        **{"is_unbroken": True, "entries": 3, "head": head, "broken_at": None},
        "summary": f"3 entries, unbroken, head {head}",
    }
    assert (after["is_unbroken"], after["entries"], after["broken_at"]) == (False, 1, 2)
    assert after["summary"] == "entry 2 was altered; 1 entries before it are in order"


@pytest.mark.parametrize("path", [AUDIT, f"{AUDIT}export/", f"{AUDIT}verify/"])
def test_only_admins_of_the_team_read_its_log(
    team: Team, other_team: Team, alice: User, bob: User, charlie: User, path: str
) -> None:
    write(team, alice, "a.secret")

    assert signed_in(bob).get(path).status_code == 403
    assert api_of(alice, team, "runs:read").get(path).status_code == 403
    assert Api().get(path).status_code == 401
    theirs = signed_in(charlie).get(path)
    assert theirs.status_code == 200
    body = b"".join(theirs.streaming_content) if theirs.streaming else theirs.content
    assert b"a.secret" not in body
    assert signed_in(charlie).send("GET", path, X_Team="acme").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nobody_writes_the_log_over_the_api(api: Api, team: Team, method: str) -> None:
    before = AuditEntry.objects.count()

    assert api.send(method, AUDIT, {"action": "a.one"}).status_code == 405
    assert AuditEntry.objects.count() == before
