from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from django.core.cache import cache
from django.urls import reverse
from django.utils import timezone

from accounts.ids import first_id_at, uuid7
from accounts.models import Role, Team
from accounts.tenancy import Access
from tasks.models import HumanRequest, RunStatus
from tasks.reports import activity
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, TaskFactory
from tests.html import Page

NOW = datetime(2026, 11, 19, 14, 0, tzinfo=UTC)


def run_at(agent, at: datetime, status: str = RunStatus.SUCCEEDED, **more):
    ended = {"finished_at": at} if status in ("succeeded", "failed", "cancelled", "expired", "rejected") else {}
    made = UUID(int=first_id_at(at).int | uuid7().int & (1 << 62) - 1)
    return RunFactory(agent=agent, id=made, created_at=at, status=status, **ended, **more)


def page(name: str = "dashboard") -> str:
    return reverse(f"tasks:{name}", kwargs={"team": "acme"})


def test_ids_sort_by_the_moment():
    before, after = first_id_at(timezone.now()), first_id_at(timezone.now() + timedelta(seconds=1))

    assert before < uuid7() < after


def owner_of(team: Team) -> Access:
    return Access(team=team, actions=frozenset(), role=Role.OWNER)


def test_the_weeks_are_counted(team):
    ana, remy = AgentFactory(team=team), AgentFactory(team=team)
    run_at(ana, NOW - timedelta(hours=1), active_s=60, cost_usd=Decimal("0.25"))
    run_at(ana, NOW - timedelta(days=6), RunStatus.FAILED, active_s=30)
    run_at(ana, NOW - timedelta(days=7), RunStatus.CANCELLED)
    run_at(remy, NOW - timedelta(days=1), RunStatus.WAITING, waiting_kind="question")
    run_at(remy, NOW - timedelta(days=1), RunStatus.WAITING, waiting_kind="timer")
    run_at(remy, NOW - timedelta(days=18, hours=15))
    run_at(remy, NOW - timedelta(days=18, hours=13))

    found = activity.activity(owner_of(team), now=NOW)

    assert (found.week.runs, found.week.done, found.week.bad, found.week.asking) == (4, 1, 1, 1)
    assert found.week.done_percent == 50.0
    assert found.week.active_s == 90
    assert found.week_before.runs == 1
    assert (found.month.runs, found.month.cost_usd) == (6, Decimal("0.25"))
    assert (found.agents[ana.pk].runs, found.agents[remy.pk].runs) == (3, 3)
    assert list(found.days)[-1] == NOW.date()
    assert len(found.days) == 14
    assert found.days[NOW.date() - timedelta(days=1)].runs == 2


def test_a_count_that_was_slow_is_kept_for_a_while(team, monkeypatch):
    agent = AgentFactory(team=team)
    RunFactory(agent=agent)

    assert activity.activity(owner_of(team)).month.runs == 1
    RunFactory(agent=agent)
    assert activity.activity(owner_of(team)).month.runs == 2

    monkeypatch.setattr(activity, "SLOW_S", -1.0)
    activity.activity(owner_of(team))
    RunFactory(agent=agent)
    assert activity.activity(owner_of(team)).month.runs == 2
    cache.delete(f"activity:{team.pk}:")
    assert activity.activity(owner_of(team)).month.runs == 3


def test_only_the_own_team_is_counted(team, other_team):
    run_at(AgentFactory(team=other_team), NOW)

    assert activity.activity(owner_of(team), now=NOW).month.runs == 0


def test_nothing_ended_is_no_percentage():
    assert activity.Tally(runs=3, asking=3).done_percent is None


@pytest.mark.parametrize(
    ("status", "waiting_kind", "state"),
    [
        ("running", "", "working"),
        ("waiting", "approval", "waiting"),
        ("waiting", "timer", "idle"),
        ("needs_review", "", "waiting"),
        ("queued", "", "idle"),
    ],
)
def test_presence(team, status, waiting_kind, state):
    agent = AgentFactory(team=team)
    lease = {"lease_expires_at": timezone.now()} if status == "running" else {}
    RunFactory(agent=agent, status=status, waiting_kind=waiting_kind, **lease)

    assert activity.presence(owner_of(team), [agent])[agent.pk].state == state


def test_asking_counts_before_working(team):
    agent = AgentFactory(team=team)
    asking = RunFactory(agent=agent, status="waiting", waiting_kind="question")
    RunFactory(agent=agent, status="running", lease_expires_at=timezone.now())

    assert activity.presence(owner_of(team), [agent])[agent.pk] == activity.Presence("waiting", asking)


def test_a_new_team_starts_with_a_role(as_alice):
    shown = as_alice.get(page()).content.decode()

    assert "Start with one agent" in shown
    assert reverse("tasks:onboarding", kwargs={"team": "acme"}) in shown


def test_it_shows_what_goes_on(as_alice, team):
    agent = AgentFactory(team=team, name="Ana")
    RunFactory(
        agent=agent,
        status="running",
        lease_expires_at=timezone.now(),
        progress={"done": 3, "total": 8, "label": "Counting"},
    )
    asking = RunFactory(agent=agent, status="waiting", waiting_kind="question", title="Stock report")
    HumanRequest.objects.create(team=team, run=asking, kind="question", title="Which month?")

    shown = as_alice.get(page()).content.decode()

    for words in ("Counting", "3 of 8", "Which month?", "1 request needs you.", "1 run in progress.", "Hello, Alice"):
        assert words in shown
    part = as_alice.get(page("dashboard_live")).content.decode()
    assert "<html" not in part
    assert "Which month?" in part


@pytest.mark.parametrize(("role", "buttons"), [(Role.MEMBER, 2), (Role.VIEWER, 0)])
def test_work_is_offered_to_those_who_may_hand_it_over(client, team, role, buttons):
    AgentFactory(team=team)
    client.force_login(MembershipFactory(team=team, role=role).user)

    text = client.get(page()).text

    offers = [link for link in Page(text).all("a") if link.get("href") == page("run_new")]
    assert len([link for link in offers if "btn" in str(link.get("class", ""))]) == buttons
    assert text.count("btn-primary") == (1 if buttons else 0)


def test_it_takes_the_same_number_of_queries_for_many(as_alice, team, django_assert_max_num_queries):
    for agent in AgentFactory.create_batch(10, team=team):
        RunFactory.create_batch(4, agent=agent, status="waiting", waiting_kind="question")

    as_alice.get(page())

    with django_assert_max_num_queries(16):
        as_alice.get(page())


def test_the_palette_finds_the_teams_own(as_alice, team, other_team):
    agent = AgentFactory(team=team, name="Ana")
    TaskFactory(agent=agent, name="Monthly report")
    RunFactory(agent=agent, title="What drives refunds?")
    RunFactory(agent=AgentFactory(team=other_team, name="Theirs"), title="Their secret")

    shown = as_alice.get(page("palette")).content.decode()

    for words in ("Ana", "Monthly report", "What drives refunds?"):
        assert words in shown
    assert "Their" not in shown


def test_counts_are_of_everything_and_not_of_the_rows_shown(as_alice, team):
    agent = AgentFactory(team=team)
    for _ in range(8):
        HumanRequestFactory(run=RunFactory(team=team, agent=agent, status=RunStatus.QUEUED))

    page = " ".join(as_alice.get("/t/acme/").text.split())

    assert "8 requests need you." in page
    assert "8 queued." in page
    assert "2 more in the inbox" in page
