"""Agents that are limited to named members: who sets that, and what all others get."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from django.utils import timezone

from accounts import mail, notifications
from accounts.errors import InvalidInput, NotFound
from accounts.models import AuditEntry, Membership, Notification, Role, Team, User
from accounts.services import keys, members
from agents.models import Agent
from agents.services.visibility import limit_agent, limited_to
from storage.models import StoredFile
from storage.services import save_file
from tasks import event_log, events
from tasks.live import consumers
from tasks.models import Artifact, Run, RunInput
from tasks.run_page.page import RunPage
from tasks.run_page.related_runs import relatives
from tasks.services import notices, runs, shares
from tests.calling import Api, api_of, signed_in
from tests.factories import AgentFactory, HumanRequestFactory, MembershipFactory, RunFactory, TaskFactory, start_run
from tests.tasks.test_consumers import closed, opened, socket


@pytest.fixture
def agent(team: Team) -> Agent:
    made: Agent = AgentFactory(team=team, name="Rita")
    return made


def page(agent: Agent, name: str = "") -> str:
    return f"/t/acme/agents/{agent.pk}/{name}"


@pytest.mark.django_db
def test_an_admin_keeps_an_agent_to_some_people_and_opens_it_again(client, team, agent, bob):
    dora = MembershipFactory(team=team).user
    client.force_login(MembershipFactory(team=team, role=Role.ADMIN).user)

    assert page(agent, "people/") in client.get(page(agent)).text
    client.post(page(agent, "people/"), {"who": "some", "people": [str(bob.pk)]})
    agent.refresh_from_db()
    assert limited_to(agent) == [bob.pk]
    assert "Only some people" in client.get(page(agent)).text
    for person, status in ((bob, 200), (dora, 404)):
        other = Client()
        other.force_login(person)
        assert other.get(page(agent)).status_code == status

    client.post(page(agent, "people/"), {"who": "everyone"})
    agent.refresh_from_db()
    assert limited_to(agent) is None
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "data")) == [
        ("agent.limited", {"before": "everyone", "after": [str(bob.pk)]}),
        ("agent.limited", {"before": [str(bob.pk)], "after": "everyone"}),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_others_do_not_decide_who_sees_it(client, team, agent, role):
    user = MembershipFactory(team=team, role=role).user
    client.force_login(user)

    tried = client.post(page(agent, "people/"), {"who": "some"})
    assert page(agent, "people/") not in client.get(page(agent)).text
    over_api = signed_in(user).get(f"/api/v1/agents/{agent.pk}/people/")
    by_key = (
        api_of(user, team).send("PUT", f"/api/v1/agents/{agent.pk}/people/", {"limited_to": []})
        if role != Role.BILLING
        else tried
    )

    agent.refresh_from_db()
    assert (tried.status_code, by_key.status_code, agent.is_limited) == (403, 403, False)
    assert over_api.status_code == (403 if role == Role.BILLING else 200)


@pytest.mark.django_db
def test_an_agent_is_kept_to_members_only(team, agent, alice, charlie):
    with pytest.raises(InvalidInput):
        limit_agent(agent=agent, actor=alice, to=[charlie.pk])
    refused = api_of(alice, team).send("PUT", f"/api/v1/agents/{agent.pk}/people/", {"limited_to": [str(charlie.pk)]})

    agent.refresh_from_db()
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "limited_to")
    assert agent.is_limited is False


@pytest.mark.django_db
def test_it_is_set_over_the_api(team, agent, alice, bob):
    api = api_of(alice, team)
    path = f"/api/v1/agents/{agent.pk}/people/"

    assert api.get(path).json() == {"limited_to": None}
    assert api.send("PUT", path, {"limited_to": [str(bob.pk)]}).json() == {"limited_to": [str(bob.pk)]}
    assert api.get(path).json() == {"limited_to": [str(bob.pk)]}


@pytest.mark.django_db
def test_nobody_sets_it_over_a_change_that_they_have_not_seen(team, agent, alice, bob):
    api, path = api_of(alice, team), f"/api/v1/agents/{agent.pk}/people/"
    seen = api.get(path)["ETag"]

    first = api.send("PUT", path, {"limited_to": [str(bob.pk)]}, If_Match=seen)
    late = api.send("PUT", path, {"limited_to": None}, If_Match=seen)
    known = api.send("PUT", path, {"limited_to": []}, If_Match=first["ETag"])

    assert (first.status_code, late.status_code, known.status_code) == (200, 412, 200)
    assert first["ETag"] != known["ETag"] == api.get(path)["ETag"]


@pytest.mark.django_db
def test_who_comes_back_to_the_team_is_not_named_any_more(team, agent, alice, bob):
    limit_agent(agent=agent, actor=alice, to=[bob.pk])

    members.remove_member(team=team, actor=alice, user=bob)
    members.add_member(team=team, user=bob, role=Role.MEMBER, actor=alice)

    agent.refresh_from_db()
    assert limited_to(agent) == []


@pytest.mark.django_db
def test_nobody_else_starts_it(team, agent, alice, bob):
    task = TaskFactory(agent=agent)
    old = RunFactory(agent=agent, status="failed", finished_at=task.created_at)
    dora = MembershipFactory(team=team).user
    limit_agent(agent=agent, actor=alice, to=[dora.pk])

    def tried(user: User) -> list[int]:
        api = api_of(user, team)
        return [
            api.send("POST", "/api/v1/runs/", {"agent": str(agent.pk), "prompt": "Go"}).status_code,
            api.send("POST", "/api/v1/runs/", {"task": str(task.pk)}).status_code,
            api.send("POST", "/api/v1/tasks/", {"name": "T", "agent": str(agent.pk), "prompt": "Go"}).status_code,
            api.send("POST", f"/api/v1/tasks/{task.pk}/runs/", {}).status_code,
            api.send("POST", f"/api/v1/runs/{old.pk}/retry/").status_code,
            api.send("POST", "/api/v1/runs/bulk-retry/", {"runs": [str(old.pk)]}).status_code,
        ]

    assert tried(bob) == [422, 422, 422, 404, 404, 404]
    assert Run.objects.count() == 1
    assert [status < 300 for status in tried(dora)] == [True] * 6


@pytest.mark.django_db
def test_its_files_open_for_nobody_else_by_their_id_either(client, team, agent, alice, bob):
    given, made, own, both = (
        save_file(team_id=team.pk, content=b"x", name=f"{n}.txt", created_by=by)
        for n, by in enumerate((alice, None, bob, alice))
    )
    run, other = RunFactory(agent=agent), RunFactory(agent=AgentFactory(team=team))
    for of, file in ((run, given), (run, own), (run, both), (other, both)):
        RunInput.objects.create(run=of, file=file, name=file.name)
    Artifact.objects.create(team=team, run=run, path="made.txt", file=made)
    limit_agent(agent=agent, actor=alice, to=[])
    task = TaskFactory(agent=other.agent, prompt="Read {{f}}", variables=[{"name": "f", "type": "file"}])

    def tried(api: Api, file: StoredFile) -> list[int]:
        started = {"agent": str(other.agent_id), "prompt": "Read it", "attachments": [str(file.pk)]}
        by_task = {"task": str(task.pk), "variables": {"f": str(file.pk)}}
        return [
            api.get(f"/api/v1/files/{file.pk}/").status_code,
            api.send("POST", "/api/v1/runs/", started).status_code,
            api.send("POST", "/api/v1/runs/", by_task).status_code,
        ]

    of_bob, of_alice = api_of(bob, team), api_of(alice, team)
    assert [tried(of_bob, file) for file in (given, made)] == [[404, 422, 422]] * 2
    assert [tried(of_bob, file) for file in (own, both)] == [[200, 201, 201]] * 2
    assert of_bob.send("POST", "/api/v1/runs/", {"task": str(task.pk), "variables": {"f": "none"}}).status_code == 422
    client.force_login(bob)
    form = {"agent": other.agent_id, "prompt": "Read", "attached": [str(given.pk), str(own.pk)]}
    assert client.post("/t/acme/runs/new/", form).status_code == 302
    assert [i.file for i in Run.objects.latest("pk").inputs.all()] == [own]
    assert [tried(of_alice, file) for file in (given, made)] == [[200, 201, 201]] * 2


@pytest.mark.django_db
def test_an_earlier_run_of_it_stands_beside_no_later_run_of_the_same_task(client, team, agent, alice, bob):
    task = TaskFactory(agent=agent)
    RunFactory(agent=agent, task=task, title="Salaries", status="succeeded", finished_at=task.created_at)
    other = AgentFactory(team=team)
    runs_since = [RunFactory(agent=other, task=task, title=f"Public {n}") for n in range(2)]
    limit_agent(agent=agent, actor=alice, to=[])

    near = RunPage(runs_since[0], may_act=True, viewer=bob).neighbours

    assert (near["older"], near["newer"]) == (None, runs_since[1])
    assert [one.run for one in relatives(runs_since[0])] == [runs_since[1]]


@pytest.mark.django_db
def test_counts_and_lists_leave_it_out(client, team, agent, alice, bob):
    HumanRequestFactory(run__agent=agent)
    RunFactory(agent=AgentFactory(team=team, name="Otis"))
    limit_agent(agent=agent, actor=alice, to=[])
    client.force_login(bob)

    shown = client.get("/t/acme/")

    assert shown.context["inbox_count"]() == 0
    assert [run.agent.name for run in shown.context["recent"]] == ["Otis"]
    assert shown.context["activity"].week.runs == 1
    assert "Rita" not in shown.text
    client.force_login(alice)
    assert client.get("/t/acme/").context["activity"].week.runs == 2


@pytest.mark.django_db
def test_links_to_its_runs_are_closed_when_it_is_kept_to_some_people(client, team, agent, alice, bob):
    dora = MembershipFactory(team=team).user
    mine, other = RunFactory(agent=agent), RunFactory(team=team)
    _, first = shares.share_run(run=mine, actor=bob)
    _, elsewhere = shares.share_run(run=other, actor=bob)
    client.force_login(alice)

    assert "One link to its runs is open for anybody who has it." in client.get(page(agent, "people/")).text
    client.post(page(agent, "people/"), {"who": "some", "people": [str(bob.pk), str(dora.pk)]})

    assert shares.shared_run(first) is None
    assert shares.shared_run(elsewhere) == other
    closed = AuditEntry.objects.get(action="run.unshared")
    assert (closed.actor, closed.subject_id) == (alice, str(mine.pk))
    assert "links to its runs" not in client.get(page(agent, "people/")).text

    kept = {person: shares.share_run(run=mine, actor=person)[1] for person in (alice, bob, dora)}
    limit_agent(agent=agent, actor=alice, to=[bob.pk])
    assert [shares.shared_run(token) is not None for token in kept.values()] == [True, True, False]
    assert "Those of people who do not see it any more are closed with this." in client.get(page(agent, "people/")).text
    with pytest.raises(NotFound):
        shares.share_run(run=mine, actor=dora)
    limit_agent(agent=agent, actor=alice, to=None)
    assert [shares.shared_run(token) is not None for token in kept.values()] == [True, True, False]
    assert AuditEntry.objects.filter(action="run.unshared").count() == 2


@pytest.mark.django_db
def test_nobody_else_is_told_what_it_asks(team, agent, alice, bob):
    started = start_run(team=team, actor=bob, agent=agent, prompt="Go")
    limit_agent(agent=agent, actor=alice, to=[])
    HumanRequestFactory(run=started)

    notices.notify_pending()

    assert not Notification.objects.filter(person=bob).exists()


@pytest.mark.django_db
@pytest.mark.parametrize("lost", ["the agent", "the role"])
def test_what_somebody_was_told_before_leads_nowhere_now(client, team, agent, alice, bob, lost):
    """Limit the agent after a notification. Its pending mail is dropped, and bell and older mails open nothing."""
    run = start_run(team=team, actor=bob, agent=agent, prompt="Go")
    HumanRequestFactory(run=run)
    RunFactory(agent=agent, created_by=bob, status="failed", finished_at=timezone.now())
    notices.notify_pending()
    told = list(Notification.objects.filter(person=bob))
    assert [mail.out_of_date(row, by_mail=True) for row in told] == ["", ""]

    if lost == "the agent":
        limit_agent(agent=agent, actor=alice, to=[])
    else:
        members.change_role(team=team, actor=alice, user=bob, role=Role.BILLING)

    assert [mail.out_of_date(row, by_mail=True) for row in told] == [notifications.GONE] * 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed_hub")
@pytest.mark.attack(6)
async def test_sockets_and_streams_of_it_close_when_somebody_is_not_named_any_more(
    team: Team, agent: Agent, alice: User, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RECHECK_S", 0.1)
    run: Run = await sync_to_async(RunFactory)(agent=agent)
    await sync_to_async(event_log.append)(run, events.Log(text="one"))
    await sync_to_async(limit_agent)(agent=agent, actor=alice, to=[bob.pk])
    path = f"/ws/runs/{run.pk}/?after=1"
    _, token = await sync_to_async(keys.create_key)(team=team, actor=bob, name="K", scopes=["runs:read"])
    by_person = await opened(await sync_to_async(socket)(path, user=bob))
    by_key = await opened(socket(path, key=token, origin=None))
    of_owner = await opened(await sync_to_async(socket)(path, user=alice))
    for one in (by_person, by_key, of_owner):
        assert json.loads(await one.receive_from())["kind"] == "caught_up"

    await sync_to_async(limit_agent)(agent=agent, actor=alice, to=[])

    assert (await closed(by_person), await closed(by_key)) == (4404, 4404)
    assert await of_owner.receive_nothing(0.3)
    await of_owner.disconnect()
    assert await closed(await opened(await sync_to_async(socket)(path, user=bob))) == 4404
    streamed = await sync_to_async(_stream)(bob, team, run)
    assert streamed == 404


def _stream(user: User, team: Team, run: Run) -> int:
    return int(api_of(user, team).get(f"/api/v1/runs/{run.pk}/stream/").status_code)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closed_hub")
async def test_the_feed_says_nothing_of_it(team: Team, agent: Agent, alice: User, bob: User) -> None:
    await sync_to_async(limit_agent)(agent=agent, actor=alice, to=[])
    await sync_to_async(HumanRequestFactory)(run__agent=agent)
    other: Run = await sync_to_async(RunFactory)(agent=await sync_to_async(AgentFactory)(team=team))
    hidden: Run = await sync_to_async(RunFactory)(agent=agent)
    feed = await opened(await sync_to_async(socket)("/ws/feed/?team=acme", user=bob))
    assert json.loads(await feed.receive_from(10)) == {"kind": "inbox", "count": 0, "running": False}

    for run in (hidden, other):
        await sync_to_async(runs.cancel_run)(run=run, actor=alice)

    told: dict[str, Any] = {"kind": "bell"}
    while told["kind"] == "bell":
        told = json.loads(await feed.receive_from(10))
    assert (told["kind"], told["run"]) == ("run", str(other.pk))
    await feed.disconnect()


@pytest.mark.django_db
def test_a_membership_of_another_team_opens_nothing(team, agent, alice, bob, other_team):
    limit_agent(agent=agent, actor=alice, to=[])
    MembershipFactory(team=other_team, user=bob, role=Role.OWNER)

    session = signed_in(bob)

    assert session.send("GET", f"/api/v1/agents/{agent.pk}/", X_Team="acme").status_code == 404
    assert session.send("GET", f"/api/v1/agents/{agent.pk}/", X_Team="elsewhere").status_code == 404
    assert Membership.objects.filter(user=bob).count() == 2
