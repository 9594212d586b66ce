"""Tasks in the API. Attack cases 1, 3, 10, 28."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from accounts.models import Team, User
from storage.services import save_file
from tasks.models import Run, Task
from tests.calling import Api, api_of
from tests.factories import AgentFactory, RunFactory, TaskFactory

TASKS = "/api/v1/tasks/"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


@pytest.fixture
def new(team: Team) -> dict[str, Any]:
    return {
        "name": "Weekly report",
        "agent": str(AgentFactory(team=team, name="Rita").pk),
        "prompt": "What drives {{topic}} since {{since}}? Read {{table}}.",
        "variables": [
            {"name": "topic", "type": "choice", "choices": ["refunds", "delays"], "default": "refunds"},
            {"name": "since", "type": "date", "label": "From"},
            {"name": "table", "type": "file", "required": False},
        ],
    }


def test_a_task_is_made_shown_and_listed_in_one_shape(api: Api, new: dict[str, Any]) -> None:
    made = api.send("POST", TASKS, new | {"review": True, "limits": {"max_turns": 9}})

    shown = made.json()
    assert made.status_code == 201
    assert shown == {
        "id": shown["id"],
        "name": "Weekly report",
        "agent": {"id": new["agent"], "name": "Rita"},
        "prompt": new["prompt"],
        "variables": [
            {
                "name": "topic",
                "label": "",
                "type": "choice",
                "choices": ["refunds", "delays"],
                "default": "refunds",
                "required": True,
                "help": "",
            },
            {
                "name": "since",
                "label": "From",
                "type": "date",
                "choices": None,
                "default": None,
                "required": True,
                "help": "",
            },
            {
                "name": "table",
                "label": "",
                "type": "file",
                "choices": None,
                "default": None,
                "required": False,
                "help": "",
            },
        ],
        "review": True,
        "output_schema": None,
        "required_artifacts": [],
        "limits": {"max_cost_usd": None, "max_turns": 9, "timeout_s": None},
        "last_run": None,
        "created_at": shown["created_at"],
        "updated_at": shown["updated_at"],
    }
    one = api.get(f"{TASKS}{shown['id']}/")
    assert (one.json(), one["ETag"]) == (shown, made["ETag"])
    assert api.get(TASKS).json()["results"] == [shown]


def test_a_task_runs_with_its_variables(api: Api, team: Team, new: dict[str, Any]) -> None:
    task = api.send("POST", TASKS, new).json()
    file = save_file(team_id=team.pk, content=b"a;b\n", name="tickets.csv")
    hostile = "{{topic}} {% debug %} {x.__class__}"

    run = api.send("POST", f"{TASKS}{task['id']}/runs/", {"variables": {"since": "2026-11-01", "table": str(file.pk)}})
    other = api.send("POST", "/api/v1/runs/", {"task": task["id"], "variables": {"since": "2026-11-02"}})
    wrong = api.send("POST", f"{TASKS}{task['id']}/runs/", {"variables": {"topic": hostile, "colour": "red"}})

    assert run.status_code == 201
    assert run.json()["prompt"] == "What drives refunds since 2026-11-01? Read tickets.csv."
    assert run.json()["task"] == {"id": task["id"], "name": "Weekly report"}
    assert [attachment["name"] for attachment in run.json()["attachments"]] == ["tickets.csv"]
    assert other.json()["prompt"] == "What drives refunds since 2026-11-02? Read ."
    assert wrong.status_code == 422
    assert {error["field"] for error in wrong.json()["errors"]} == {
        "variables.colour",
        "variables.topic",
        "variables.since",
    }
    assert Run.objects.count() == 2
    last = api.get(f"{TASKS}{task['id']}/").json()["last_run"]
    assert (last["id"], last["status"]) == (other.json()["id"], "queued")


def test_what_is_put_into_a_prompt_stays_text(api: Api, team: Team) -> None:
    task = TaskFactory(agent__team=team, prompt="Say {{text}}.", variables=[{"name": "text", "type": "text"}])
    hostile = "{{text}} {{7*7}} {{settings.SECRET_KEY}} {% load x %} {x.__class__}"

    run = api.send("POST", f"{TASKS}{task.pk}/runs/", {"variables": {"text": hostile}}).json()

    assert run["prompt"] == f"Say {hostile}."


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, ["name"]),
        ({"agent": str(uuid4())}, ["agent"]),
        ({"prompt": "{{unknown}}", "variables": []}, ["prompt"]),
        ({"variables": [{"name": "Topic", "type": "text"}]}, ["variables[0].name"]),
        ({"variables": [{"name": "topic", "type": "colour"}]}, ["variables[0].type"]),
        ({"variables": [{"name": "topic", "type": "text", "secret": 1}]}, ["variables[0].secret"]),
        ({"output_schema": {"type": "nonsense"}}, ["output_schema"]),
        ({"removed_at": None, "team": "x"}, ["removed_at", "team"]),
    ],
)
def test_a_task_that_does_not_fit_is_refused_at_its_fields(
    api: Api, new: dict[str, Any], change: Any, fields: list[str]
) -> None:
    answer = api.send("POST", TASKS, new | change)

    assert answer.status_code == 422
    assert sorted(error["field"] for error in answer.json()["errors"]) == fields
    assert Task.objects.count() == 0


def test_a_task_is_changed_with_what_was_seen_and_deleted(api: Api, new: dict[str, Any]) -> None:
    made = api.send("POST", TASKS, new)
    path, seen = f"{TASKS}{made.json()['id']}/", made["ETag"]
    run = api.send("POST", f"{path}runs/", {"variables": {"since": "2026-11-01"}}).json()

    first = api.send("PATCH", path, {"name": "Monthly report"}, If_Match=seen)
    second = api.send("PATCH", path, {"name": "Daily report"}, If_Match=seen)
    deleted = api.delete(path)

    assert (first.status_code, first.json()["name"]) == (200, "Monthly report")
    assert second.status_code == 412
    assert deleted.status_code == 204
    assert (api.get(path).status_code, api.get(TASKS).json()["results"]) == (404, [])
    assert api.get(f"/api/v1/runs/{run['id']}/").json()["status"] == "cancelled"


def test_an_outsider_meets_nothing(team: Team, other_team: Team, charlie: User) -> None:
    task = TaskFactory(agent__team=team)
    mine = AgentFactory(team=other_team)
    api = api_of(charlie, other_team)

    for method, route, body in [
        ("GET", "", None),
        ("PATCH", "", {"agent": str(mine.pk)}),
        ("DELETE", "", None),
        ("POST", "runs/", {}),
    ]:
        theirs = api.send(method, f"{TASKS}{task.pk}/{route}", body, X_Request_Id="same-request-id")
        unknown = api.send(method, f"{TASKS}{uuid4()}/{route}", body, X_Request_Id="same-request-id")
        assert (theirs.status_code, theirs.content) == (404, unknown.content)
    body = {"name": "x", "agent": str(task.agent_id), "prompt": "y"}
    assert api.send("POST", TASKS, body).json()["errors"][0]["field"] == "agent"
    task.refresh_from_db()
    assert (task.removed_at, Task.objects.count(), Run.objects.count()) == (None, 1, 0)


def test_a_reader_of_agents_starts_nothing(team: Team, alice: User) -> None:
    task = TaskFactory(agent__team=team)
    reader, writer = api_of(alice, team, "agents:read"), api_of(alice, team, "agents:write")

    assert reader.get(TASKS).status_code == 200
    for api in (reader, writer):
        answer = api.send("POST", f"{TASKS}{task.pk}/runs/", {})
        assert (answer.status_code, answer.json()["required_scope"]) == (403, "runs:write")
    assert Run.objects.count() == 0


def test_a_list_costs_the_same_whatever_its_length(api: Api, team: Team, django_assert_num_queries: Any) -> None:
    api.get(TASKS)
    for _ in range(2):
        with django_assert_num_queries(2):
            api.get(TASKS)
        for _ in range(5):
            task = TaskFactory(agent__team=team)
            RunFactory(team=team, agent=task.agent, task=task)
