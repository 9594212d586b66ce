"""Table of roles, and pages for a role that sees billing but no runs."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role, Team, User
from accounts.models.roles import ACTIONS, SCOPES, may_manage
from tests.calling import api_of, signed_in
from tests.factories import AgentFactory, MembershipFactory, RunFactory

OWNER, A, M, V, B = Role.OWNER, Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.BILLING
PAGES = ("agent_list", "task_list", "run_list", "inbox", "run_new", "palette", "dashboard_live")


@pytest.fixture
def billing(team: Team) -> User:
    return MembershipFactory(team=team, role=B).user


def test_every_role_is_in_the_table_and_keys_know_only_what_the_contract_names():
    assert set(ACTIONS) == set(Role.values)
    assert ACTIONS[B] == {"billing:read", "billing:write"}
    assert {role for role in ACTIONS if "team:own" in ACTIONS[role]} == {OWNER}
    assert set(SCOPES).isdisjoint({"team:own", "billing:write"})


@pytest.mark.parametrize(
    ("own", "manages"),
    [(OWNER, {OWNER, A, M, V, B}), (A, {A, M, V, B}), (M, set()), (V, set()), (B, set()), ("", set())],
)
def test_nobody_gives_or_takes_more_than_they_have(own, manages):
    assert {other for other in Role.values if may_manage(own, other)} == manages


def test_a_billing_person_sees_the_money_and_no_work(client: Client, team, billing):
    run = RunFactory(agent=AgentFactory(team=team, name="Rita"), title="Secret plans", status="waiting")
    client.force_login(billing)

    home = client.get("/home/", follow=True)
    refused = [client.get(reverse(f"tasks:{name}", kwargs={"team": "acme"})).status_code for name in PAGES]
    detail = client.get(reverse("tasks:run_detail", kwargs={"team": "acme", "run_id": run.pk}))

    assert home.redirect_chain[-1][0] == "/t/acme/settings/budgets/"
    assert "Rita" in home.text
    assert "Secret plans" not in home.text
    assert f"/agents/{run.agent_id}/" not in home.text
    assert refused == [403] * len(PAGES)
    assert detail.status_code == 403
    assert client.get("/t/acme/settings/profile/").status_code == 200
    assert client.get("/t/acme/settings/plan/").status_code == 200


def test_a_billing_person_reads_budgets_over_the_api_and_nothing_else(team, billing):
    RunFactory(agent=AgentFactory(team=team))

    for api in (api_of(billing, team), signed_in(billing)):
        assert api.get("/api/v1/budgets/").status_code == 200
        for path in ("agents", "tasks", "runs", "inbox"):
            refused = api.get(f"/api/v1/{path}/")
            assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize(("role", "feeds", "links"), [(B, 0, 2), (V, 2, 1)])
def test_who_sees_no_runs_has_no_feed_but_a_way_around_on_a_phone(client: Client, team, role, feeds, links):
    client.force_login(MembershipFactory(team=team, role=role).user)

    text = client.get("/t/acme/settings/plan/").text

    assert text.count("data-feed") == feeds  # the icon and its text
    assert text.count('href="/t/acme/settings/" aria-current="page"') == links  # beside the page, and below it
