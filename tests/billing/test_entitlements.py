"""Limits of a plan: refused with numbers, over the API and on pages."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.errors import InvalidInput, LimitReached
from accounts.ids import first_id_at
from accounts.models import AuditEntry, Invitation, Membership, OutgoingMail, Role, Team, User
from accounts.services import invitations, members
from agents.models import Agent
from agents.services import agents
from billing import entitlements
from billing.models import TeamPlan
from billing.plans import GB, PLANS, Limit
from storage.models import StoredFile
from storage.services import save_file
from tasks.models import Run, RunStatus
from tasks.services import forks
from tests.calling import Api, api_of
from tests.factories import AgentFactory, MembershipFactory, RunFactory, StoredFileFactory, TaskFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def free(team: Team) -> Team:
    entitlements.assign_plan(team=team, actor=None, plan="free")
    return team


@pytest.fixture
def api(alice: User, free: Team) -> Api:
    return api_of(alice, free)


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice, backend="django.contrib.auth.backends.ModelBackend")
    return client


def use_up(team: Team, agent: Agent) -> None:
    """Use up the runs of this month; add some of the previous month, which do not count."""
    month = timezone.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for n in range(3):
        RunFactory(agent=agent, id=first_id_at(month - timedelta(milliseconds=n + 1)))
    RunFactory.create_batch(200, agent=agent)


def test_the_table_is_that_of_the_contract() -> None:
    assert [plan.limits[Limit.AGENTS] for plan in PLANS.values()] == [1, 3, 10, None]
    assert [plan.limits[Limit.MONTHLY_RUNS] for plan in PLANS.values()] == [200, 1_000, 5_000, None]
    for what in Limit:
        limits = [plan.limits[what] for plan in PLANS.values()]
        assert limits[-1] is None
        assert limits[:-1] == sorted(limits[:-1], key=lambda limit: limit or 0)


def test_one_agent_too_many_is_refused_with_the_numbers(api: Api, free: Team) -> None:
    AgentFactory(team=free)
    body = {"name": "Second", "instructions": "Do it.", "role": ""}

    answer = api.send("POST", "/api/v1/agents/", body)

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["entitlement"]) == (402, "plan_limit_reached", "agents")
    assert (problem["limit"], problem["used"], problem["plan"]) == (1, 1, "free")
    assert problem["upgrade_url"].endswith("/t/acme/settings/plan/")
    assert Agent.objects.count() == 1
    assert AuditEntry.objects.filter(action="agent.created").exists() is False


def test_a_removed_agent_makes_room(free: Team, alice: User) -> None:
    first = agents.create_agent(team=free, actor=alice, name="First", instructions="Do it.")
    agents.remove_agent(agent=first, actor=alice)

    agents.create_agent(team=free, actor=alice, name="Second", instructions="Do it.")

    with pytest.raises(LimitReached):
        agents.create_agent(team=free, actor=alice, name="Third", instructions="Do it.")


def test_runs_are_counted_by_the_month_in_which_they_are_asked_for(api: Api, free: Team, alice: User) -> None:
    agent = AgentFactory(team=free)
    task = TaskFactory(agent=agent)
    use_up(free, agent)
    done = Run.objects.order_by("-pk")[0]
    Run.objects.filter(pk=done.pk).update(status=RunStatus.SUCCEEDED, finished_at=timezone.now())
    done.refresh_from_db()
    later = {"agent": str(agent.pk), "prompt": "Go", "start_at": (timezone.now() + timedelta(days=40)).isoformat()}

    answers = [
        api.send("POST", "/api/v1/runs/", {"agent": str(agent.pk), "prompt": "Go"}),
        api.send("POST", "/api/v1/runs/", later),
        api.send("POST", f"/api/v1/tasks/{task.pk}/runs/", {}),
        api.send("POST", f"/api/v1/runs/{done.pk}/retry/", {}),
    ]

    assert [answer.status_code for answer in answers] == [402] * 4
    assert (answers[0].json()["used"], answers[0].json()["limit"]) == (200, 200)
    with pytest.raises(LimitReached):
        forks.fork_run(run=done, actor=alice)
    assert Run.objects.count() == 203
    Run.objects.filter(pk=Run.objects.order_by("-pk").values("pk")[:1]).delete()
    assert api.send("POST", "/api/v1/runs/", {"agent": str(agent.pk), "prompt": "Go"}).status_code == 201


def test_one_person_too_many_does_not_join(free: Team, alice: User, bob: User) -> None:
    members.add_member(team=free, user=UserFactory(), role=Role.VIEWER, actor=alice)

    with pytest.raises(LimitReached):
        members.add_member(team=free, user=UserFactory(), role=Role.VIEWER, actor=alice)

    assert Membership.objects.filter(team=free).count() == 3


def test_a_file_that_is_too_much_is_not_kept(free: Team) -> None:
    StoredFileFactory(team=free, size=GB - 5)
    save_file(team_id=free.pk, content=b"12345", name="fits.txt")

    with pytest.raises(LimitReached) as refused:
        save_file(team_id=free.pk, content=b"6", name="full.txt")

    assert refused.value.detail.startswith("Storage: 1 GB of the 1 GB in the plan Free are in use.")
    assert StoredFile.objects.filter(name="full.txt").exists() is False


def test_a_plan_without_limits_costs_no_statement(team: Team, django_assert_num_queries: Any) -> None:
    TeamPlan.objects.create(team=team, plan="enterprise")
    entitlements.require(team=team, what=Limit.AGENTS)

    with django_assert_num_queries(0):
        entitlements.require(team=team, what=Limit.AGENTS)
        entitlements.require(team=team, what=Limit.MONTHLY_RUNS)


def test_a_limited_plan_costs_a_lock_and_a_count(free: Team, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(2):
        entitlements.require(team=free, what=Limit.MONTHLY_RUNS)


def test_a_smaller_plan_is_in_force_at_once_here_and_soon_elsewhere(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    AgentFactory(team=team)
    entitlements.require(team=team, what=Limit.AGENTS)

    TeamPlan.objects.update(plan="free")  # as another process does
    entitlements.require(team=team, what=Limit.AGENTS)
    monkeypatch.setattr(entitlements, "KNOWN_FOR_S", -1.0)
    entitlements.assign_plan(team=team, actor=None, plan="free")

    with pytest.raises(LimitReached):
        entitlements.require(team=team, what=Limit.AGENTS)


def test_a_team_without_a_row_has_the_plan_of_the_installation(team: Team, settings: Any) -> None:
    settings.DEFAULT_PLAN = "free"
    AgentFactory(team=team)

    with pytest.raises(LimitReached):
        entitlements.require(team=team, what=Limit.AGENTS)

    assert TeamPlan.objects.filter(team=team).count() <= 1


def test_a_plan_is_assigned_on_the_record(team: Team, alice: User) -> None:
    entitlements.assign_plan(team=team, actor=alice, plan="pro")
    with pytest.raises(InvalidInput):
        entitlements.assign_plan(team=team, actor=alice, plan="gold")

    entry = AuditEntry.objects.get(action="plan.assigned")
    assert (entry.data["before"], entry.data["after"]) == ("enterprise", "pro")
    assert TeamPlan.objects.get(team=team).plan == "pro"


def test_an_operator_assigns_a_plan_in_admin(free: Team, admin_client: Client) -> None:
    answer = admin_client.post(f"/admin/billing/teamplan/{free.pk}/change/", {"plan": "starter"})

    assert answer.status_code == 302
    assert TeamPlan.objects.get(team=free).plan == "starter"
    assert AuditEntry.objects.filter(action="plan.assigned").count() == 2


@pytest.mark.attack(10)
def test_nobody_assigns_themselves_a_plan(api: Api, free: Team) -> None:
    answers = [
        api.send("PATCH", "/api/v1/me/", {"plan": "enterprise"}),
        api.send("POST", "/api/v1/billing/plans/", {"plan": "enterprise"}),
        api.send("PUT", "/api/v1/billing/usage/", {"plan": "enterprise"}),
    ]

    assert [answer.status_code for answer in answers] == [422, 405, 405]
    assert TeamPlan.objects.get(team=free).plan == "free"


def test_plans_and_usage_over_the_api(api: Api, free: Team, bob: User) -> None:
    StoredFileFactory(team=free, size=GB // 2)

    plans = api.get("/api/v1/billing/plans/").json()["results"]
    usage = api.get("/api/v1/billing/usage/").json()

    assert [(plan["key"], plan["price_usd"], plan["is_current"]) for plan in plans] == [
        ("free", "0.00", True),
        ("starter", "29.00", False),
        ("pro", "99.00", False),
        ("enterprise", None, False),
    ]
    assert plans[0]["limits"] == {
        "agents": 1,
        "runs_per_month": 200,
        "seats": 3,
        "storage_bytes": GB,
        "concurrent_runs": 1,
        "concurrent_builds": 0,
    }
    assert usage["plan"] == "free"
    assert {meter["entitlement"]: (meter["used"], meter["limit"]) for meter in usage["meters"]} == {
        "agents": (0, 1),
        "runs_per_month": (0, 200),
        "seats": (2, 3),
        "storage_bytes": (GB // 2, GB),
        "concurrent_runs": (0, 1),
    }


def test_the_page_shows_meters_and_plans(page: Client, free: Team) -> None:
    StoredFileFactory(team=free, size=GB * 86 // 100 + 1)

    html = page.get("/t/acme/settings/plan/").content.decode()

    assert "Your plan: Free" in html
    assert '<progress class="meter meter-warn" value="86" max="100" aria-label="Storage">86%</progress>' in html
    assert "Nearly all in use" in html
    assert "0.9 GB of 1 GB" in html
    assert "$99" in html
    assert 'href="/t/acme/settings/" aria-current="page"' in html


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 GB"), (400_000, "0.4 MB"), (GB // 2, "0.5 GB"), (50 * GB, "50 GB"), (GB + 1, "1.0 GB")],
)
def test_bytes_are_told_in_a_unit_that_shows_them(size: int, words: str) -> None:
    assert entitlements.amount(Limit.STORAGE_BYTES, size) == words


def test_forms_warn_before_and_offer_a_larger_plan_at_the_refusal(page: Client, free: Team) -> None:
    quiet = page.get("/t/acme/agents/new/").content.decode()
    agent = AgentFactory(team=free)
    RunFactory.create_batch(160, agent=agent)

    start = page.get("/t/acme/runs/new/").content.decode()
    refused = page.post("/t/acme/agents/new/?role=", _agent_form())

    assert "View plans" not in quiet
    assert "You’re close to your plan’s limit.</strong> Runs this month: 160 of 200." in start
    assert refused.status_code == 422
    html = refused.content.decode()
    assert "You’ve reached your plan’s limit." in html
    assert 'href="/t/acme/settings/plan/"' in html
    assert Agent.objects.count() == 1


def test_who_invites_is_told_that_the_seats_are_taken(page: Client, free: Team) -> None:
    quiet = page.get("/t/acme/settings/members/").content.decode()
    MembershipFactory.create_batch(2, team=free)

    full = page.get("/t/acme/settings/members/").content.decode()

    assert "View plans" not in quiet
    assert "You’ve reached your plan’s limit.</strong> People: 3 of 3." in full


def test_nobody_is_invited_to_a_seat_that_is_not_there(api: Api, page: Client, free: Team, bob: User) -> None:
    path, body = "/api/v1/teams/acme/invitations/", {"email": "dora@example.com", "role": "member"}
    first = api.send("POST", path, body)
    refused = api.send("POST", path, body | {"email": "emil@example.com"})
    form = page.post("/t/acme/settings/members/", {"email": "emil@example.com", "role": "member"})

    assert (first.status_code, refused.status_code, form.status_code) == (201, 402, 422)
    problem = refused.json()
    assert problem["code"] == "plan_limit_reached"
    assert (problem["entitlement"], problem["used"], problem["limit"], problem["plan"]) == ("seats", 3, 3, "free")
    assert "Open invitations count. Revoke one" in problem["detail"]
    html = form.content.decode()
    assert "You’ve reached your plan’s limit.</strong> People: 3 of 3." in html
    assert 'href="/t/acme/settings/plan/"' in html
    assert "Open invitations count. Revoke one" in html
    assert OutgoingMail.objects.count() == 1

    invitation = Invitation.objects.get()
    invitations.accept(invitation=invitation, user=UserFactory(email="dora@example.com"))
    assert Membership.objects.filter(team=free).count() == 3


def test_an_expired_invitation_offers_its_seat_again_only_while_there_is_one(
    free: Team, alice: User, bob: User
) -> None:
    offer = {"team": free, "actor": alice, "role": "member"}
    old = invitations.invite(email="dora@example.com", **offer)
    Invitation.objects.update(sent_at=timezone.now() - timedelta(days=8), expires_at=timezone.now())
    new = invitations.invite(email="emil@example.com", **offer)

    with pytest.raises(LimitReached):
        invitations.send_again(invitation=old, actor=alice)
    Invitation.objects.filter(pk=new.pk).update(sent_at=timezone.now() - timedelta(days=1))
    invitations.send_again(invitation=new, actor=alice)
    invitations.revoke(invitation=new, actor=alice)
    invitations.send_again(invitation=old, actor=alice)

    old.refresh_from_db()
    assert old.status == "open"
    assert entitlements.meter(free, Limit.SEATS).words == "3 of 3"


def test_after_a_smaller_plan_an_open_invitation_is_not_sent_again(
    free: Team, alice: User, bob: User, page: Client, api: Api
) -> None:
    entitlements.assign_plan(team=free, actor=None, plan="pro")
    offer = {"team": free, "actor": alice, "role": "member"}
    first, second = (invitations.invite(email=f"{name}@example.com", **offer) for name in ("dora", "emil"))
    Invitation.objects.update(sent_at=timezone.now() - timedelta(days=1))
    entitlements.assign_plan(team=free, actor=None, plan="free")
    before = Invitation.objects.get(pk=first.pk).token_sha256

    refused = api.send("POST", f"/api/v1/teams/acme/invitations/{first.pk}/resend/")
    shown = page.post(f"/t/acme/settings/invitations/{first.pk}/resend/", follow=True)

    assert (refused.status_code, refused.json()["code"]) == (402, "plan_limit_reached")
    assert (refused.json()["used"], refused.json()["limit"]) == (4, 3)
    assert [str(one) for one in shown.context["messages"]] == [refused.json()["detail"]]
    assert Invitation.objects.get(pk=first.pk).token_sha256 == before
    assert OutgoingMail.objects.count() == 2
    invitations.revoke(invitation=second, actor=alice)
    invitations.send_again(invitation=first, actor=alice)  # its own seat is the third of three
    assert Invitation.objects.get(pk=first.pk).token_sha256 != before


def test_the_page_says_why_an_expired_invitation_is_not_sent_again(
    free: Team, alice: User, bob: User, page: Client
) -> None:
    offer = {"team": free, "actor": alice, "role": "member"}
    old = invitations.invite(email="dora@example.com", **offer)
    Invitation.objects.update(sent_at=timezone.now() - timedelta(days=8), expires_at=timezone.now())
    invitations.invite(email="emil@example.com", **offer)

    shown = page.post(f"/t/acme/settings/invitations/{old.pk}/resend/", follow=True)

    assert [str(one) for one in shown.context["messages"]] == [
        "People: 3 of the 3 in the plan Free are in use. Open invitations count. "
        "Revoke one, remove somebody who has left, or choose a larger plan."
    ]
    html = shown.content.decode()
    assert 'href="/t/acme/settings/plan/"' in html
    assert '<span class="badge">Expired</span>' in html
    assert OutgoingMail.objects.count() == 2


def test_after_a_smaller_plan_the_last_seat_goes_to_the_first_who_joins(free: Team, alice: User, bob: User) -> None:
    entitlements.assign_plan(team=free, actor=None, plan="pro")
    offer = {"team": free, "actor": alice, "role": "member"}
    dora, emil = (UserFactory(email=f"{name}@example.com") for name in ("dora", "emil"))
    first, second = (invitations.invite(email=one.email, **offer) for one in (dora, emil))
    entitlements.assign_plan(team=free, actor=None, plan="free")

    invitations.accept(invitation=first, user=dora)
    with pytest.raises(LimitReached, match="People: 3 of the 3 in the plan Free") as refused:
        invitations.accept(invitation=second, user=emil)
    assert "nvitation" not in refused.value.detail  # to revoke one would not help here

    second.refresh_from_db()
    assert second.status == "open"


def _agent_form() -> dict[str, str]:
    from agents.forms import AgentForm
    from tools.catalog import Catalog

    form = AgentForm(tools=Catalog())
    given = {name: field.initial for name, field in form.fields.items() if field.initial not in (None, "", False)}
    return {name: str(value) for name, value in given.items()} | {"name": "Second", "instructions": "Do it."}
