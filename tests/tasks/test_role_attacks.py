"""Attempts of people whose role allows only viewing, or nothing any more. Each has no effect."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.urls import reverse

from accounts.models import Membership, Role, Team, User
from accounts.services import keys, members
from agents.models import Agent
from tasks import event_log, events
from tasks.models import HumanRequest, RequestStatus, Run, RunStatus, Task
from tests.calling import Api, api_of
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, TaskFactory
from tests.sockets import Socket
from tests.tasks.test_consumers import closed, opened, socket

WITHIN_S = 5.0


@pytest.mark.django_db
@pytest.mark.attack(5)
@pytest.mark.parametrize("role", [Role.VIEWER, Role.BILLING])
def test_who_only_looks_changes_nothing_on_any_page(client: Client, team: Team, role: Role) -> None:
    agent = AgentFactory(team=team)
    task = TaskFactory(agent=agent)
    asked = HumanRequestFactory(run__agent=agent)
    done = RunFactory(agent=agent, status=RunStatus.SUCCEEDED, finished_at=task.created_at)
    client.force_login(MembershipFactory(team=team, role=role).user)

    def post(name: str, data: dict[str, Any] | None = None, **ids: Any) -> int:
        return client.post(reverse(f"tasks:{name}", kwargs={"team": "acme", **ids}), data or {}).status_code

    tried = [
        post("run_cancel", run_id=asked.run_id),
        post("run_retry", run_id=done.pk),
        post("run_continue", run_id=done.pk),
        post("run_fork", {"from_step": "0", "prompt": "Mine"}, run_id=done.pk),
        post("run_share", run_id=done.pk),
        post("request_answer", {"value": "yes", "decision": "approve"}, request_id=asked.pk),
        post("runs_cancel", {"run": [str(asked.run_id)], "sure": "1"}),
        post("runs_retry", {"run": [str(done.pk)], "sure": "1"}),
        post("runs_continue", {"run": [str(done.pk)]}),
        post("run_new", {"agent": str(agent.pk), "prompt": "Go"}),
        post("task_detail", {"variables": ""}, task_id=task.pk),
        post("task_edit", {"name": "Mine"}, task_id=task.pk),
        post("task_remove", task_id=task.pk),
        post("agent_new", {"name": "Mine"}),
        post("agent_edit", {"name": "Mine"}, agent_id=agent.pk),
        post("agent_remove", agent_id=agent.pk),
        post("budgets", {"limit_usd": "1"}),
    ]

    assert tried == [403] * len(tried)
    assert set(Run.objects.values_list("pk", "status")) == {
        (asked.run_id, RunStatus.WAITING),
        (done.pk, RunStatus.SUCCEEDED),
    }
    assert HumanRequest.objects.get().status == RequestStatus.OPEN
    assert (Agent.objects.present().count(), Task.objects.present().count()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.attack(10)
def test_a_role_or_team_of_ones_own_choice_in_a_body_is_refused(team: Team, other_team: Team, bob: User) -> None:
    extra = [
        {"team_id": str(other_team.pk)},
        {"team": "elsewhere"},
        {"plan": "enterprise"},
        {"price": "0"},
        {"is_published": True},
        {"role": "owner"},
        {"is_personal": True},
        {"slug": "elsewhere"},
        {"is_staff": True},
    ]
    session = Api()
    session.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    ada = MembershipFactory(team=team, role=Role.ADMIN).user
    admin = api_of(ada, team)
    before = list(Team.objects.order_by("pk").values("pk", "name", "slug", "is_personal"))

    for more in extra:
        tried = [
            session.send("POST", "/api/v1/teams/", {"name": "Mine", **more}),
            session.send("PATCH", "/api/v1/me/", {"name": "Bob", **more}),
            admin.send("PATCH", "/api/v1/teams/acme/", {"name": "Acme", **more}),
            admin.send("POST", "/api/v1/api-keys/", {"name": "K", "scopes": ["runs:read"], **more}),
        ]
        if "role" not in more:
            tried.append(admin.send("PATCH", f"/api/v1/teams/acme/members/{bob.pk}/", {"role": "viewer", **more}))
            tried.append(admin.send("POST", "/api/v1/teams/acme/invitations/", {"email": "d@example.com", **more}))
        for answer in tried:
            assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "unknown_field")

    assert list(Team.objects.order_by("pk").values("pk", "name", "slug", "is_personal")) == before
    bob.refresh_from_db()
    assert (bob.is_staff, bob.memberships.get().role) == (False, Role.MEMBER)
    assert not HumanRequest.objects.exists()


@pytest.mark.alone
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed_hub")
@pytest.mark.attack(7)
async def test_sockets_close_within_five_seconds_of_losing_the_right(team: Team, alice: User, bob: User) -> None:
    """Demote, remove, revoke a key, and demote its maker, all at once and with real clocks."""
    run, sockets = await sync_to_async(_open_sockets)(team, alice)
    made = {name: await opened(one) for name, one in sockets.items()}
    stays = await opened(await sync_to_async(socket)(f"/ws/runs/{run.pk}/?after=1", user=bob))
    for one in (*made.values(), stays):
        assert json.loads(await one.receive_from())["kind"] == "caught_up"

    await sync_to_async(_take_rights)(team, alice)
    since = time.monotonic()
    codes = await asyncio.gather(*(closed(one) for one in made.values()))

    assert time.monotonic() - since < WITHIN_S
    assert set(codes) == {4404}
    assert await stays.receive_nothing(0.2)
    await stays.disconnect()


def _person(team: Team, name: str, role: Role = Role.MEMBER) -> User:
    user: User = MembershipFactory(team=team, role=role, user__email=f"{name}@example.com").user
    return user


def _open_sockets(team: Team, alice: User) -> tuple[Run, dict[str, Socket]]:
    run: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(run, events.Log(text="one"))
    path = f"/ws/runs/{run.pk}/?after=1"
    _, of_alice = keys.create_key(team=team, actor=alice, name="revoked", scopes=["runs:read"])
    _, of_maker = keys.create_key(team=team, actor=_person(team, "maker"), name="maker", scopes=["runs:read"])
    return run, {
        "demoted": socket(path, user=_person(team, "demoted")),
        "removed": socket(path, user=_person(team, "removed")),
        "revoked": socket(path, key=of_alice, origin=None),
        "maker": socket(path, key=of_maker, origin=None),
    }


def _take_rights(team: Team, alice: User) -> None:
    of = {user.email.partition("@")[0]: user for user in team.members.all()}
    members.change_role(team=team, actor=alice, user=of["demoted"], role=Role.BILLING)
    members.change_role(team=team, actor=alice, user=of["maker"], role=Role.BILLING)
    members.remove_member(team=team, actor=alice, user=of["removed"])
    keys.revoke_key(key=keys.ApiKey.objects.get(name="revoked"), actor=alice)


@pytest.mark.alone
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed_hub")
@pytest.mark.attack(47)
async def test_leaving_a_team_ends_pages_keys_and_sockets_of_it(team: Team, alice: User, bob: User) -> None:
    elsewhere = await sync_to_async(MembershipFactory)(user=bob, team__slug="second")
    run, browser, api, made = await sync_to_async(_bobs_ways_in)(team, bob)
    made = await opened(made)
    assert json.loads(await made.receive_from())["kind"] == "caught_up"
    page = f"/t/acme/runs/{run.pk}/"
    assert (await sync_to_async(browser.get)(page)).status_code == 200
    assert (await sync_to_async(api.get)("/api/v1/runs/")).status_code == 200

    left = await sync_to_async(browser.post)("/t/acme/settings/team/leave/")
    since = time.monotonic()

    assert left.status_code == 302
    assert (await sync_to_async(browser.get)(page)).status_code == 404
    assert (await sync_to_async(api.get)("/api/v1/runs/")).status_code == 401
    assert (await sync_to_async(browser.get)("/api/v1/runs/", headers={"X-Team": "acme"})).status_code == 404
    assert (await sync_to_async(browser.get)("/t/second/")).status_code == 200
    assert await closed(made) == 4404
    assert time.monotonic() - since < WITHIN_S
    assert await Membership.objects.filter(user=bob).aget() == elsewhere


def _bobs_ways_in(team: Team, bob: User) -> tuple[Run, Client, Api, Any]:
    run: Run = RunFactory(agent=AgentFactory(team=team))
    event_log.append(run, events.Log(text="one"))
    browser = Client()
    browser.force_login(bob, backend="django.contrib.auth.backends.ModelBackend")
    return run, browser, api_of(bob, team), socket(f"/ws/runs/{run.pk}/?after=1", user=bob)
