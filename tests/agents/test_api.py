"""API of agents, in the exact shapes of the contract. Attack cases 1, 2, 3, 10, 40."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from accounts.models import AuditEntry, Membership, Role, Team, User
from agents.models import Agent, Memory
from agents.services import agents, memories
from agents.services.memories import AgentMemory
from tests.calling import Api, api_of
from tests.factories import AgentFactory

AGENTS = "/api/v1/agents/"
NEW = {"name": "Rita", "instructions": "Read the table and answer with numbers."}


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


def test_an_agent_is_made_shown_and_listed_in_one_shape(api: Api) -> None:
    made = api.send(
        "POST",
        AGENTS,
        NEW
        | {
            "role": "Data analyst",
            "tools": [{"tool": "query_table", "policy": "ask"}],
            "limits": {"max_cost_usd": "2.50", "max_turns": 12},
            "budget_monthly_usd": "20",
            "hue": "teal",
            "icon": "chart-column",
        },
    )

    assert made.status_code == 201
    shown = made.json()
    assert shown == {
        "id": shown["id"],
        "name": "Rita",
        "role": "Data analyst",
        "description": "",
        "instructions": NEW["instructions"],
        "model": "demo-1",
        "model_end": None,
        "runtime": "demo",
        "tools": [{"tool": "query_table", "policy": "ask"}],
        "memory_enabled": True,
        "limits": {"max_cost_usd": "2.50", "max_turns": 12, "timeout_s": 1800, "max_concurrent_runs": 10},
        "options": {"approvers": [], "four_eyes": False, "allowed_hosts": [], "max_tokens": None},
        "budget_monthly_usd": "20.00",
        "working_hours": None,
        "hue": "teal",
        "icon": "chart-column",
        "version": 1,
        "status": "active",
        "listing": None,
        "created_at": shown["created_at"],
    }
    assert shown["created_at"].endswith("Z")
    one = api.get(f"{AGENTS}{shown['id']}/")
    assert (one.json(), one["ETag"]) == (shown, made["ETag"])
    assert api.get(AGENTS).json() == {"results": [shown], "next": None, "previous": None}


def test_an_agent_starts_from_a_template(api: Api) -> None:
    roles = api.get("/api/v1/role-templates/").json()["results"]
    analyst = next(role for role in roles if role["key"] == "data-analyst")

    made = api.send("POST", AGENTS, {"template": "data-analyst", "name": "Rita"}).json()

    assert len(roles) >= 6
    assert (made["name"], made["role"], made["instructions"]) == ("Rita", "Data analyst", analyst["instructions"])
    assert made["tools"] == analyst["tools"]
    assert {"tool": "email_report", "policy": "ask"} in made["tools"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"name": "Rita"}, ["instructions"]),
        (NEW | {"template": "wizard"}, ["template"]),
        (NEW | {"model": "claude-sonnet-5"}, ["model"]),
        (NEW | {"limits": {"max_turns": 0, "luck": 1}}, ["limits.luck"]),
        (NEW | {"limits": {"max_turns": 0}}, ["limits.max_turns"]),
        (NEW | {"tools": [{"tool": "rm", "policy": "allow"}]}, ["tools[0].tool"]),
        (NEW | {"budget_monthly_usd": "-1"}, ["budget_monthly_usd"]),
        (NEW | {"budget_monthly_usd": "NaN"}, ["budget_monthly_usd"]),
        (
            NEW | {"team_id": str(uuid4()), "listing": "x", "version": 9, "script": {}},
            ["listing", "script", "team_id", "version"],
        ),
    ],
)
def test_an_agent_that_does_not_fit_is_refused_at_its_fields(api: Api, body: Any, fields: list[str]) -> None:
    answer = api.send("POST", AGENTS, body)

    assert answer.status_code == 422
    assert sorted(error["field"] for error in answer.json()["errors"]) == fields
    assert Agent.objects.count() == 0


def test_a_change_makes_a_version_and_a_restore_makes_another(api: Api) -> None:
    rita = api.send("POST", AGENTS, NEW).json()
    path = f"{AGENTS}{rita['id']}/"

    changed = api.send("PATCH", path, {"instructions": "Something else.", "limits": {"max_turns": 5}}).json()
    restored = api.send("POST", f"{path}versions/1/restore/")
    versions = api.get(f"{path}versions/").json()["results"]

    assert (changed["version"], changed["limits"]["max_turns"], changed["limits"]["timeout_s"]) == (2, 5, 1800)
    assert (restored.status_code, restored.json()["version"]) == (201, 3)
    assert restored.json()["instructions"] == NEW["instructions"]
    assert [version["number"] for version in versions] == [3, 2, 1]
    assert versions[1] == {
        "number": 2,
        "instructions": "Something else.",
        "model": "demo-1",
        "runtime": "demo",
        "tools": [],
        "memory_enabled": True,
        "limits": {"max_cost_usd": "1.00", "max_turns": 5, "timeout_s": 1800},
        "created_by": "Alice",
        "created_at": versions[1]["created_at"],
    }
    assert api.send("POST", f"{path}versions/9/restore/").status_code == 404


def test_options_are_kept_when_others_change(api: Api) -> None:
    options = {"approvers": ["bob@example.com"], "four_eyes": True}
    rita = api.send("POST", AGENTS, NEW | {"options": options}).json()
    path = f"{AGENTS}{rita['id']}/"

    changed = api.send("PATCH", path, {"options": {"allowed_hosts": ["example.com"], "max_tokens": 2000}}).json()
    wrong = api.send("PATCH", path, {"options": {"allowed_hosts": ["http://x/"]}})

    assert changed["options"] == options | {"allowed_hosts": ["example.com"], "max_tokens": 2000}
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "options.allowed_hosts")
    assert api.send("PATCH", path, {"options": {"script": "slow"}}).status_code == 422


def test_nobody_overwrites_what_they_have_not_seen(api: Api) -> None:
    made = api.send("POST", AGENTS, NEW)
    path, seen = f"{AGENTS}{made.json()['id']}/", made["ETag"]

    first = api.send("PATCH", path, {"name": "Rita B."}, If_Match=seen)
    second = api.send("PATCH", path, {"name": "Rita C."}, If_Match=seen)
    gone = api.send("DELETE", path, If_Match=seen)
    third = api.send("PATCH", path, {"name": "Rita D."}, If_Match=f'"other", {first["ETag"]}')

    assert (first.status_code, first["ETag"] != seen) == (200, True)
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert gone.status_code == 412
    assert (third.status_code, third.json()["name"]) == (200, "Rita D.")


def test_an_agent_is_paused_resumed_and_deleted(api: Api) -> None:
    rita = api.send("POST", AGENTS, NEW).json()
    path = f"{AGENTS}{rita['id']}/"

    assert api.send("PATCH", path, {"status": "paused"}).json()["status"] == "paused"
    assert api.get(f"{AGENTS}?status=paused").json()["results"] != []
    assert api.get(f"{AGENTS}?status=active").json()["results"] == []
    assert api.send("PATCH", path, {"status": "active"}).json()["status"] == "active"
    assert api.send("PATCH", path, {"status": "removed"}).status_code == 422
    assert api.delete(path).status_code == 204
    assert api.get(path).status_code == 404
    assert api.get(AGENTS).json()["results"] == []


def test_memories_are_kept_corrected_and_forgotten(api: Api, team: Team) -> None:
    rita = AgentFactory(team=team)
    path = f"{AGENTS}{rita.pk}/memories/"

    made = api.send("POST", path, {"text": "Pays in euros."})
    one = f"{path}{made.json()['id']}/"

    assert made.status_code == 201
    assert made.json() == {
        "id": made.json()["id"],
        "text": "Pays in euros.",
        "run": None,
        "accepted_at": made.json()["accepted_at"],
        "created_at": made.json()["created_at"],
    }
    assert made.json()["accepted_at"] is not None
    assert api.send("PATCH", one, {"text": "Pays in dollars."}).json()["text"] == "Pays in dollars."
    assert [memory["text"] for memory in api.get(path).json()["results"]] == ["Pays in dollars."]
    assert api.delete(one).status_code == 204
    assert Memory.objects.count() == 0
    assert api.send("POST", path, {"text": ""}).status_code == 422


def test_what_a_run_learned_is_accepted_once_and_by_who_may(api: Api, team: Team, bob: User) -> None:
    rita = AgentFactory(team=team)
    AgentMemory(agent_id=rita.pk, team_id=team.pk).remember(text="Pays in euros.")
    path = f"{AGENTS}{rita.pk}/memories/"
    [learned] = api.get(path).json()["results"]
    accept = f"{path}{learned['id']}/accept/"
    reader = api_of(bob, team, "agents:read")

    refused = reader.send("POST", accept, {})
    first, again = api.send("POST", accept, {}), api.send("POST", accept, {})

    assert learned["accepted_at"] is None
    assert refused.status_code == 403
    assert first.json()["accepted_at"] is not None
    assert again.json() == first.json()
    assert AuditEntry.objects.filter(action="memory.accepted").count() == 1


def test_nobody_overwrites_a_memory_that_they_have_not_seen(api: Api, team: Team, alice: User) -> None:
    memory = memories.add_memory(agent=AgentFactory(team=team), actor=alice, text="Pays in euros.")
    path = f"{AGENTS}{memory.agent_id}/memories/{memory.pk}/"
    seen = api.get(path)["ETag"]

    changed = api.send("PATCH", path, {"text": "Pays in dollars."}, If_Match=seen)
    late = api.send("PATCH", path, {"text": "Pays in pounds."}, If_Match=seen)
    gone = api.send("DELETE", path, None, If_Match=seen)

    assert (changed.status_code, late.status_code, gone.status_code) == (200, 412, 412)
    memory.refresh_from_db()
    assert memory.text == "Pays in dollars."
    assert api.send("DELETE", path, None, If_Match=changed["ETag"]).status_code == 204


def test_an_outsider_meets_nothing(team: Team, other_team: Team, alice: User, charlie: User) -> None:
    """Every route with an id answers the same for another team's id and for an unknown one."""
    rita = agents.create_agent(team=team, actor=alice, **NEW)
    memory = memories.add_memory(agent=rita, actor=alice, text="Pays in euros.")
    mine = AgentFactory(team=other_team)
    api = api_of(charlie, other_team)
    nobody = uuid4()
    routes = [
        ("GET", "{0}/", None),
        ("PATCH", "{0}/", {"name": "Stolen"}),
        ("DELETE", "{0}/", None),
        ("GET", "{0}/versions/", None),
        ("POST", "{0}/versions/1/restore/", None),
        ("GET", "{0}/memories/", None),
        ("POST", "{0}/memories/", {"text": "Pays me."}),
        ("GET", f"{{0}}/memories/{memory.pk}/", None),
        ("PATCH", f"{{0}}/memories/{memory.pk}/", {"text": "Pays me."}),
        ("DELETE", f"{{0}}/memories/{memory.pk}/", None),
    ]

    for method, route, body in routes:
        theirs = api.send(method, AGENTS + route.format(rita.pk), body, X_Request_Id="same-request-id")
        unknown = api.send(method, AGENTS + route.format(nobody), body, X_Request_Id="same-request-id")
        assert (theirs.status_code, theirs.content) == (404, unknown.content), (method, route)
        if "memories/" in route and str(memory.pk) in route:
            nested = api.send(method, AGENTS + route.format(mine.pk), body)
            assert nested.status_code == 404, (method, route)

    rita.refresh_from_db()
    assert (rita.name, rita.status, rita.versions.count()) == ("Rita", "active", 1)
    assert [kept.text for kept in Memory.objects.all()] == ["Pays in euros."]
    assert api.get(AGENTS).json()["results"][0]["id"] == str(mine.pk)


def test_a_viewer_reads_and_changes_nothing(team: Team, alice: User, bob: User) -> None:
    rita = agents.create_agent(team=team, actor=alice, **NEW)
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    api = api_of(bob, team)

    assert api.get(AGENTS).status_code == 200
    for method, path, body in [
        ("POST", AGENTS, NEW),
        ("PATCH", f"{AGENTS}{rita.pk}/", {"name": "Changed"}),
        ("DELETE", f"{AGENTS}{rita.pk}/", None),
        ("POST", f"{AGENTS}{rita.pk}/versions/1/restore/", None),
        ("POST", f"{AGENTS}{rita.pk}/memories/", {"text": "x"}),
    ]:
        answer = api.send(method, path, body)
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "agents:write")
    assert Agent.objects.get().name == "Rita"


def test_a_list_costs_the_same_whatever_its_length(api: Api, team: Team, django_assert_num_queries: Any) -> None:
    AgentFactory(team=team)
    api.get(AGENTS)
    for _ in range(2):
        with django_assert_num_queries(2):
            api.get(AGENTS)
        AgentFactory.create_batch(10, team=team)


def test_what_one_run_may_cost_is_raised_far_with_the_admin_scope(team: Team, bob: User, api: Api) -> None:
    member, limits = api_of(bob, team), {"max_cost_usd": "5.01"}
    path = f"{AGENTS}{member.send('POST', AGENTS, NEW | {'limits': {'max_cost_usd': '5.00'}}).json()['id']}/"

    made = member.send("POST", AGENTS, NEW | {"name": "Rich", "limits": limits})
    changed = member.send("PATCH", path, {"limits": limits})
    allowed = api.send("PATCH", path, {"limits": {"max_cost_usd": "9.00"}})
    kept = member.send("PATCH", path, {"limits": {"max_cost_usd": "9.00", "max_turns": 3}})
    member.send("PATCH", path, {"limits": {"max_cost_usd": "2.00"}})
    restored = member.send("POST", f"{path}versions/2/restore/")

    assert [(one.status_code, one.json()["required_scope"]) for one in (made, changed, restored)] == [
        (403, "team:admin")
    ] * 3
    assert (allowed.status_code, kept.status_code) == (200, 200)
    assert api.send("GET", path).json()["limits"]["max_cost_usd"] == "2.00"
    assert api.send("POST", f"{path}versions/2/restore/").json()["limits"]["max_cost_usd"] == "9.00"
