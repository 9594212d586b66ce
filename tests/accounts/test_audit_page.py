"""Settings page of the audit log: its texts, its readers, and the verify button."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts import audit
from accounts.models import Role, Team, User
from accounts.services import audit_chain
from accounts.views import audit as page
from tests.accounts.test_audit import tamper, write
from tests.factories import MembershipFactory
from tests.html import Page

URL = "/t/acme/settings/audit/"


def entries(text: str) -> list[str]:
    """Return the ids of the rows, from top to bottom."""
    return [row["id"] for row in Page(text).all("tr") if str(row.get("id", "")).startswith("entry-")]


def test_the_page_tells_who_did_what_when_and_from_where(as_alice: Client, team: Team, alice: User) -> None:
    as_alice.post(reverse("accounts:profile", kwargs={"team": "acme"}), {"name": "Alice B", "hue": "moss"})
    audit.record(team=team, actor=None, action="api_key.revoked", target=team)

    text = as_alice.get(URL).text

    assert entries(text) == ["entry-2", "entry-1"]
    assert "Alice B" in text
    assert ">changed the profile<" in text
    assert "revoked the API key" in text
    assert "Deskhand" in text
    assert "127.0.0.1" in text
    assert str(alice.pk) in [button.get("data-copy") for button in Page(text).all("button")]
    assert len([time for time in Page(text).all("time") if time.get("title")]) == 2


def test_an_entry_reads_as_a_sentence(as_alice: Client, team: Team, alice: User, bob: User) -> None:
    audit.record(team=team, actor=bob, action="member.joined", target=bob)
    audit.record(team=team, actor=alice, action="member.role_changed", target=bob)

    text = as_alice.get(URL).text

    assert f'changed the role of</span> <strong class="font-medium">{bob.display_name}<' in text
    assert 'joined the team</span> <strong class="font-medium"></strong>' in text


def test_an_entry_shows_old_and_new_values(as_alice: Client, team: Team, alice: User) -> None:
    values = audit.diff({"name": "Ana", "max_turns": 5, "tools": []}, {"name": "x" * 400, "max_turns": 5, "tools": [1]})
    audit.record(team=team, actor=alice, action="agent.changed", target=team, **values)

    text = Page(as_alice.get(URL).text).text

    assert f"Name: Ana → became {'x' * 79}…" in text
    assert "Tools: none → became [1]" in text
    assert "turns" not in text


def test_the_log_is_searched_and_paged(
    as_alice: Client, team: Team, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "PAGE", 2)
    write(team, alice, "run.started", "run.cancelled", "agent.created")
    write(team, bob, "run.started", "task.created")

    first, second = as_alice.get(URL).text, as_alice.get(f"{URL}?before=4").text

    assert (entries(first), entries(second)) == (["entry-5", "entry-4"], ["entry-3", "entry-2"])
    assert ("before=4" in first, "after=" in first) == (True, False)
    assert ("before=2" in second, "after=3" in second) == (True, True)
    assert entries(as_alice.get(f"{URL}?after=3").text) == ["entry-5", "entry-4"]
    assert entries(as_alice.get(f"{URL}?after=1").text) == ["entry-3", "entry-2"]
    assert entries(as_alice.get(f"{URL}?q=bob@").text) == ["entry-5", "entry-4"]
    assert entries(as_alice.get(f"{URL}?kind=run&period=7&q=alice").text) == ["entry-2", "entry-1"]
    assert "No entries match" in as_alice.get(f"{URL}?q=%25").text
    for strange in ("?before=x", f"?before={'9' * 40}", "?kind=nothing&period=x", "?q=%00"):
        assert entries(as_alice.get(URL + strange).text) == ["entry-5", "entry-4"]


def test_verify_says_what_it_found(as_alice: Client, team: Team, alice: User) -> None:
    write(team, alice, "a.one", "a.two")

    whole = as_alice.post(URL).text
    head = audit_chain.verify(team.pk).head
    tamper("UPDATE accounts_auditentry SET action = 'a.nothing' WHERE seq = 2")
    broken = as_alice.post(URL).text

    assert "2 entries, unbroken." in whole
    assert head in [button.get("data-copy") for button in Page(whole).all("button")]
    assert "Entry 2 was altered." in broken


def test_the_export_is_the_chain(as_alice: Client, team: Team, alice: User) -> None:
    write(team, alice, "a.one")

    answer = as_alice.get(f"{URL}export/")

    assert [json.loads(line)["action"] for line in b"".join(answer.streaming_content).splitlines()] == ["a.one"]
    assert answer["Content-Disposition"] == 'attachment; filename="audit-acme.ndjson"'


def test_names_in_the_log_are_text(as_alice: Client, team: Team, alice: User) -> None:
    team.name = "<script>alert(1)</script>"
    audit.record(team=team, actor=alice, action="team.renamed", target=team)

    assert "<script>alert(1)" not in as_alice.get(URL).text


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_others_do_not_see_the_log(client: Client, team: Team, role: str) -> None:
    client.force_login(MembershipFactory(team=team, role=role).user)

    for path in (URL, f"{URL}export/"):
        assert client.get(path).status_code == 403
    assert client.post(URL).status_code == 403
    assert "settings/audit/" not in client.get(reverse("accounts:profile", kwargs={"team": "acme"})).text


def test_an_empty_log_says_what_it_is_for(as_alice: Client) -> None:
    assert "Nothing yet" in as_alice.get(URL).text
