"""Deletion of a team: it ends the work and keeps the ledger."""

from __future__ import annotations

import pytest

from accounts.errors import Forbidden, InvalidInput, NotFound
from accounts.models import ApiKey, AuditEntry, Membership, Role, Team
from accounts.removal import dependents
from accounts.services import keys, teams
from accounts.services.deletion import remove_team
from agents.models import Agent
from billing.models import UsageRecord
from tasks.models import RunStatus
from tasks.services import shares
from tests.factories import (
    AgentFactory,
    MembershipFactory,
    RunFactory,
    StoredFileFactory,
    TaskFactory,
    start_run,
    usage,
)
from tests.periodic import run_periodic_jobs

pytestmark = pytest.mark.django_db


def test_deleting_a_team_ends_its_work_and_keeps_its_books(team, alice, bob, other_team, charlie):
    agent = AgentFactory(team=team)
    task = TaskFactory(agent=agent)
    StoredFileFactory(team=team)
    live = [RunFactory(agent=agent), start_run(team=team, actor=alice, task=task)]
    done = RunFactory(agent=agent, status="succeeded", finished_at=task.created_at)
    _, link = shares.share_run(run=done, actor=alice)
    _, token = keys.create_key(team=team, actor=bob, name="Bob's", scopes=["runs:read"])
    elsewhere = RunFactory(agent=AgentFactory(team=other_team))
    usage(agent, "1.25")

    said = dependents(team)
    ended = remove_team(team=team, actor=alice, confirm=" Acme ")

    assert said == ended
    assert said == {
        **{"members": 2, "api_keys": 1, "invitations": 0, "agents": 1, "tasks": 1, "live_runs": 2, "files": 1}
    }
    for run in live:
        run.refresh_from_db()
        assert run.status == RunStatus.CANCELLED
        assert run.events.order_by("-seq")[0].data["summary"] == "Cancelled by Alice. The team was deleted."
    done.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (done.status, elsewhere.status) == (RunStatus.SUCCEEDED, RunStatus.QUEUED)
    assert (shares.shared_run(link), keys.find_key(token)) == (None, None)
    assert not Membership.objects.filter(team=team).exists()
    assert not ApiKey.objects.filter(team=team, revoked_at=None).exists()
    assert UsageRecord.objects.for_team(team).count() == 1
    entry = AuditEntry.objects.for_team(team).get(action="team.removed")
    assert entry.data == {"people": ["alice@example.com", "bob@example.com"], **ended}
    assert Agent.objects.for_team(team).count() == 1


@pytest.mark.parametrize("confirm", ["", "acme", "Acme Inc"])
def test_nothing_ends_without_the_name(team, alice, confirm):
    run = RunFactory(agent=AgentFactory(team=team))

    with pytest.raises(InvalidInput):
        remove_team(team=team, actor=alice, confirm=confirm)

    run.refresh_from_db()
    team.refresh_from_db()
    assert (run.status, team.removed_at) == (RunStatus.QUEUED, None)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_only_an_owner_deletes_the_team(team, alice, role):
    with pytest.raises(Forbidden):
        remove_team(team=team, actor=MembershipFactory(team=team, role=role).user, confirm="Acme")

    team.refresh_from_db()
    assert team.removed_at is None


def test_a_team_is_deleted_once(team, alice):
    remove_team(team=team, actor=alice, confirm="Acme")

    with pytest.raises(NotFound):
        remove_team(team=team, actor=alice, confirm="Acme")

    assert AuditEntry.objects.filter(action="team.removed").count() == 1


def test_a_start_that_overlapped_the_end_is_stopped_by_the_next_round(team, alice):
    agent = AgentFactory(team=team)
    remove_team(team=team, actor=alice, confirm="Acme")
    late, other = RunFactory(agent=agent), RunFactory()

    assert run_periodic_jobs() == []

    late.refresh_from_db()
    other.refresh_from_db()
    assert (late.status, other.status) == (RunStatus.CANCELLED, RunStatus.QUEUED)


def test_its_address_never_leads_to_another_team(team, alice):
    remove_team(team=team, actor=alice, confirm="Acme")

    assert teams.create_team(owner=alice, name="Acme").slug != "acme"
    assert Team.objects.count() == 2
