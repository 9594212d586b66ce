"""Runs, files and figures of agents in the API."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from accounts.ids import first_id_at
from accounts.models import Team, User
from agents.roles import ROLES
from agents.services.agents import create_from_role
from storage.models import StoredFile
from tasks.models import Run, RunKind, RunStatus
from tests.calling import Api, api_of
from tests.factories import AgentFactory, RunFactory

AGENTS = "/api/v1/agents/"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


def run(agent: Any, status: str, *, days_ago: int = 0, **more: Any) -> Run:
    at = timezone.now() - timedelta(days=days_ago)
    ended = {} if status == "waiting" else {"finished_at": at}
    made: Run = RunFactory(agent=agent, status=status, id=first_id_at(at), created_at=at, **ended, **more)
    return made


def test_the_metrics_count_the_days_that_were_asked_for(api: Api, team: Team) -> None:
    agent = AgentFactory(team=team)
    run(agent, RunStatus.SUCCEEDED, active_s=10, cost_usd=Decimal("0.25"))
    run(agent, RunStatus.FAILED, days_ago=1, active_s=5)
    run(agent, RunStatus.WAITING, waiting_kind="question")
    run(agent, RunStatus.SUCCEEDED, days_ago=5)
    run(AgentFactory(team=team), RunStatus.SUCCEEDED)

    found = api.get(f"{AGENTS}{agent.pk}/metrics/?days=3").json()

    today = timezone.now().date()
    assert found == {
        "agent": str(agent.pk),
        "since": (today - timedelta(days=2)).isoformat(),
        "runs": 3,
        "succeeded": 1,
        "failed": 1,
        "needs_you": 1,
        "success_percent": 50.0,
        "active_s": 15.0,
        "cost_usd": "0.250000",
        "by_day": [
            {"day": (today - timedelta(days=ago)).isoformat(), "runs": runs} for ago, runs in ((2, 0), (1, 1), (0, 2))
        ],
    }
    assert len(api.get(f"{AGENTS}{agent.pk}/metrics/").json()["by_day"]) == 30


@pytest.mark.parametrize("query", ["days=0", "days=367", "days=x", "days=%D9%A3", "since=2026-01-01"])
def test_days_that_do_not_fit_are_refused(api: Api, team: Team, query: str) -> None:
    assert api.get(f"{AGENTS}{AgentFactory(team=team).pk}/metrics/?{query}").status_code == 400


def test_a_demo_is_the_example_of_the_role_and_waits_for_a_review(api: Api, team: Team, alice: User) -> None:
    agent = create_from_role(team=team, actor=alice, role=ROLES[0])
    path = f"{AGENTS}{agent.pk}/demo/"

    first, again = (api.send("POST", path, {}, Idempotency_Key="d1") for _ in range(2))

    made = Run.objects.get()
    assert (first.status_code, again.json()) == (201, first.json())
    assert (made.kind, made.review, made.prompt) == (RunKind.DEMO, True, ROLES[0].example_prompt)
    assert [given.name for given in made.inputs.all()] == [ROLES[0].example_file]


def test_who_has_no_role_introduces_itself(api: Api, team: Team) -> None:
    answer = api.send("POST", f"{AGENTS}{AgentFactory(team=team, role='Poet').pk}/demo/", {})

    assert (answer.status_code, answer.json()["kind"], answer.json()["attachments"]) == (201, "demo", [])


def test_another_teams_agent_and_a_reader_get_no_demo(api: Api, team: Team, other_team: Team, bob: User) -> None:
    mine, theirs = AgentFactory(team=team), AgentFactory(team=other_team)
    reader = api_of(bob, team, "agents:read", "runs:read")

    assert api.send("POST", f"{AGENTS}{theirs.pk}/demo/", {}).status_code == 404
    assert api.get(f"{AGENTS}{theirs.pk}/metrics/").status_code == 404
    assert reader.send("POST", f"{AGENTS}{mine.pk}/demo/", {}).status_code == 403
    assert not Run.objects.exists()
    assert not StoredFile.objects.exists()
