"""API of budgets: shapes, scopes, refusals, other teams."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import AuditEntry, Team, User
from agents.models import Agent
from billing.models import Budget
from billing.reports import month_start, standings
from billing.services import save_budget
from tests.calling import Api, api_of
from tests.factories import AgentFactory, usage

BUDGETS = "/api/v1/budgets/"
TEAM = f"{BUDGETS}team/"


@pytest.fixture
def api(team: Team, alice: User) -> Api:
    return api_of(alice, team)


@pytest.fixture
def agent(team: Team) -> Agent:
    return AgentFactory(team=team, name="Ana")


def of(agent: Agent) -> str:
    return f"{BUDGETS}agents/{agent.pk}/"


def test_all_budgets_are_listed_with_what_is_spent(api: Api, team: Team, agent: Agent) -> None:
    usage(agent, "1.25")
    save_budget(team=team, limit_usd=Decimal(20))

    month = month_start().date().isoformat()
    assert api.send("GET", BUDGETS).json() == {
        "results": [
            {
                "scope": "team",
                "agent": None,
                "month": month,
                "limit_usd": "20.00",
                "spent_usd": "1.250000",
                "reserved_usd": "0.000000",
            },
            {
                "scope": "agent",
                "agent": {"id": str(agent.pk), "name": "Ana"},
                "month": month,
                "limit_usd": None,
                "spent_usd": "1.250000",
                "reserved_usd": "0.000000",
            },
        ],
        "next": None,
        "previous": None,
    }


def test_a_limit_is_set_shown_and_taken_away_on_the_record(api: Api, team: Team, agent: Agent) -> None:
    for path, agent_id in ((TEAM, None), (of(agent), agent.pk)):
        put = api.send("PUT", path, {"limit_usd": "12.50"})

        assert (put.status_code, put.json()["limit_usd"]) == (200, "12.50")
        assert api.send("GET", path).json() == put.json()
        assert Budget.objects.get(agent_id=agent_id).limit_usd == Decimal("12.50")
        assert api.send("DELETE", path).status_code == 204
        assert api.send("GET", path).json()["limit_usd"] is None
    assert Budget.objects.count() == 0
    actions = AuditEntry.objects.filter(action__startswith="budget.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["budget.set", "budget.cleared"] * 2


@pytest.mark.parametrize("limit", ["-1", "1000001", "1.234", "much", None])
def test_a_wrong_limit_is_refused_at_its_field(api: Api, limit: str | None) -> None:
    refused = api.send("PUT", TEAM, {"limit_usd": limit})

    assert (refused.status_code, refused["Content-Type"]) == (422, "application/problem+json")
    assert [error["field"] for error in refused.json()["errors"]] == ["limit_usd"]
    assert Budget.objects.count() == 0


def test_an_unknown_field_is_refused(api: Api) -> None:
    assert api.send("PUT", TEAM, {"limit_usd": "1", "team": "other"}).status_code == 422
    assert Budget.objects.count() == 0


def test_a_member_sets_no_budget_by_any_way(team: Team, bob: User, agent: Agent) -> None:
    save_budget(team=team, agent_id=agent.pk, limit_usd=Decimal(3))
    api, profile = api_of(bob, team), f"/api/v1/agents/{agent.pk}/"

    refused = [api.send("PUT", path, {"limit_usd": "5"}) for path in (TEAM, of(agent))]
    refused += [api.send("DELETE", path) for path in (TEAM, of(agent))]
    refused += [api.send("PATCH", profile, {"budget_monthly_usd": usd, "name": "Rich"}) for usd in ("5", None)]

    assert [(one.status_code, one.json()["required_scope"]) for one in refused] == [(403, "team:admin")] * 6
    assert Budget.objects.get().limit_usd == 3
    assert api.send("PATCH", profile, {"name": "Poor"}).json()["name"] == "Poor"


def test_a_key_needs_the_scopes(team: Team, alice: User, agent: Agent) -> None:
    reader, worker = api_of(alice, team, "billing:read"), api_of(alice, team, "runs:read")

    assert reader.send("GET", BUDGETS).status_code == 200
    assert reader.send("PUT", of(agent), {"limit_usd": "5"}).status_code == 403
    assert worker.send("GET", BUDGETS).status_code == 403


def test_an_agent_of_another_team_is_not_found(api: Api, other_team: Team) -> None:
    theirs = AgentFactory(team=other_team)
    save_budget(team=other_team, agent_id=theirs.pk, limit_usd=Decimal(3))

    for path in (of(theirs), f"{BUDGETS}agents/{uuid4()}/"):
        assert [api.send(m, path, {"limit_usd": "9"}).status_code for m in ("GET", "PUT", "DELETE")] == [404] * 3
    assert Budget.objects.get().limit_usd == 3
    assert str(theirs.pk) not in api.send("GET", BUDGETS).content.decode()


# ---- Counted spending


def test_an_old_month_counts_as_nothing_spent(team: Team, agent: Agent) -> None:
    save_budget(team=team, limit_usd=Decimal(10))
    Budget.objects.update(spent_usd=7, reserved_usd=1, period="2020-01-01")

    of_team, _ = standings(team)

    assert (of_team.spent_usd, of_team.reserved_usd, of_team.percent, of_team.level) == (0, 1, 10, "")


@pytest.mark.parametrize(
    ("limit", "percent", "level"), [("10", 75, ""), ("9.37", 80, "warn"), ("7.5", 100, "over"), ("0", 100, "over")]
)
def test_spent_and_set_aside_count_together(team: Team, limit: str, percent: int, level: str) -> None:
    save_budget(team=team, limit_usd=Decimal(limit))
    Budget.objects.update(spent_usd=7, reserved_usd="0.5")

    of_team, _ = standings(team)

    assert (of_team.percent, of_team.level) == (percent, level)


def test_nobody_overwrites_a_limit_that_they_have_not_seen(api: Api, team: Team, agent: Agent) -> None:
    for path in (TEAM, of(agent)):
        unlimited = api.get(path)["ETag"]
        limited = api.send("PUT", path, {"limit_usd": "20"}, If_Match=unlimited)
        late = api.send("PUT", path, {"limit_usd": "90"}, If_Match=unlimited)
        late_clear = api.send("DELETE", path, None, If_Match=unlimited)

        assert (limited.status_code, late.status_code, late_clear.status_code) == (200, 412, 412)
        assert api.get(path).json()["limit_usd"] == "20.00"
        assert api.get(path)["ETag"] == limited["ETag"] != unlimited
    assert api.get(TEAM)["ETag"] != api.get(of(agent))["ETag"]


def test_what_is_spent_changes_no_etag(api: Api, team: Team, agent: Agent) -> None:
    save_budget(team=team, limit_usd=Decimal(20))
    before = api.get(TEAM)["ETag"]

    Budget.objects.update(spent_usd=3)

    assert api.get(TEAM)["ETag"] == before


@pytest.mark.parametrize("days", [-40, 40])
def test_a_new_limit_counts_from_the_first_day_of_the_databases_month(
    team: Team, agent: Agent, days: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers reserve in the database's month; a budget of another month would start at zero."""
    usage(agent, "1.25")
    now = timezone.now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: now + timedelta(days=days))

    save_budget(team=team, limit_usd=Decimal(20))

    kept = Budget.objects.get(team=team)
    assert (kept.period, kept.spent_usd) == (now.date().replace(day=1), Decimal("1.25"))
