"""Bulk actions and comparisons in the API."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts.models import Membership, Role, Team, User
from agents.models import Agent
from tasks.models import Run, RunStatus
from tasks.services import runs
from tests.calling import Api, api_of
from tests.factories import AgentFactory, RunFactory, start_run

RUNS = "/api/v1/runs/"
CANCEL, RETRY = f"{RUNS}bulk-cancel/", f"{RUNS}bulk-retry/"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


@pytest.fixture
def rita(team: Team) -> Agent:
    return AgentFactory(team=team, name="Rita")


@pytest.fixture
def two(team: Team, alice: User, rita: Agent) -> list[Run]:
    return [start_run(team=team, actor=alice, agent=rita, prompt=f"Look at {n}.") for n in ("May", "June")]


def test_many_are_cancelled_and_each_is_answered_for_in_the_order_of_the_question(api: Api, two: list[Run]) -> None:
    first, second = two
    runs.cancel_run(run=first, actor=None)

    body = {"runs": [str(second.pk), str(first.pk), str(second.pk)], "reason": "Enough."}
    answer = api.send("POST", CANCEL, body)

    assert (answer.status_code, answer.json()["results"]) == (
        200,
        [
            {"run": str(second.pk), "outcome": "cancelled", "new_run": None, "effects": []},
            {"run": str(first.pk), "outcome": "already_ended", "new_run": None, "effects": []},
        ],
    )
    second.refresh_from_db()
    assert second.status == RunStatus.CANCELLED
    assert "Enough." in second.events.get(type="run.finished").data["summary"]


def test_many_are_repeated_once_for_each_key(api: Api, two: list[Run]) -> None:
    ended, live = two
    runs.cancel_run(run=ended, actor=None)
    body = {"runs": [str(ended.pk), str(live.pk)]}

    answers = [api.send("POST", RETRY, body, Idempotency_Key="again") for _ in range(2)]

    [again] = Run.objects.exclude(pk__in=[ended.pk, live.pk])
    assert (again.retry_of, again.attempt) == (ended, 2)
    for answer in answers:
        assert answer.json()["results"] == [
            {"run": str(ended.pk), "outcome": "started", "new_run": str(again.pk), "effects": []},
            {"run": str(live.pk), "outcome": "refused", "new_run": None, "effects": []},
        ]


@pytest.mark.promise("G16")
@pytest.mark.attack(3)
def test_one_run_of_another_team_makes_all_of_it_unknown(api: Api, two: list[Run], other_team: Team) -> None:
    theirs = RunFactory(team=other_team)
    mine = str(two[0].pk)

    for path in (CANCEL, RETRY):
        bodies = [
            api.send("POST", path, {"runs": [mine, str(pk)]}, X_Request_Id="same-request-id")
            for pk in (theirs.pk, uuid4())
        ]
        assert [one.status_code for one in bodies] == [404, 404]
        assert bodies[0].content == bodies[1].content
    for left, right in ((mine, theirs.pk), (theirs.pk, mine), (mine, uuid4())):
        assert api.get(f"{RUNS}{left}/compare/?with={right}").status_code == 404
    assert set(Run.objects.filter(team=two[0].team).values_list("status", flat=True)) == {RunStatus.QUEUED}
    assert Run.objects.count() == 3


def test_how_many_and_by_whom(api: Api, team: Team, two: list[Run], bob: User) -> None:
    for given in ([], [str(uuid4())] * 201, ["x"]):
        assert api.send("POST", CANCEL, {"runs": given}).status_code == 422
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    viewer = api_of(bob, team)
    named = {"runs": [str(run.pk) for run in two]}

    assert [viewer.send("POST", path, named).status_code for path in (CANCEL, RETRY)] == [403, 403]
    assert viewer.get(f"{RUNS}{two[0].pk}/compare/?with={two[1].pk}").status_code == 200
    assert set(Run.objects.values_list("status", flat=True)) == {RunStatus.QUEUED}


def test_two_runs_side_by_side(api: Api, two: list[Run]) -> None:
    left, right = two
    Run.objects.filter(pk=right.pk).update(max_cost_usd="0.50", cost_usd="0.25")

    told = api.get(f"{RUNS}{left.pk}/compare/?with={right.pk}").json()

    assert (told["left"], told["right"], told["is_live"]) == (str(left.pk), str(right.pk), True)
    assert told["settings"] == [{"name": "Maximum cost", "left": f"${left.max_cost_usd}", "right": "$0.50"}]
    assert [(line["kind"], line["text"]) for line in told["prompt"]["lines"]] == [
        ("del", "Look at May."),
        ("add", "Look at June."),
    ]
    assert [(one["left"], one["right"]) for one in told["figures"] if one["kind"] == "money"] == [
        ("0.000000", "0.250000")
    ]
    assert (told["output"]["lines"], told["steps"], told["files"]) == ([], [], [])


@pytest.mark.parametrize("query", ["", "?with=", "?with=x"])
def test_the_other_run_is_named_by_its_id(api: Api, two: list[Run], query: str) -> None:
    refused = api.get(f"{RUNS}{two[0].pk}/compare/{query}")

    assert (refused.status_code, refused.json()["code"]) == (400, "bad_parameter")
