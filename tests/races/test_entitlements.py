"""Last place of a plan, requested by many at the same moment. Attack case 52."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from accounts.errors import LimitReached
from accounts.models import Invitation, Membership, Role, Team, User
from accounts.services import invitations, members
from agents.models import Agent
from agents.services import agents
from billing import entitlements
from billing.plans import GB
from storage.models import StoredFile
from storage.services import save_file
from tasks.models import Run
from tests.factories import AgentFactory, MembershipFactory, RunFactory, StoredFileFactory, UserFactory, start_run
from tests.races.concurrency import at_once
from tests.races.test_admission import Open, an_agent, queue

pytestmark = pytest.mark.usefixtures("transactional_db")
MANY = 8


@pytest.fixture
def free(team: Team) -> Team:
    entitlements.assign_plan(team=team, actor=None, plan="free")
    return team


def admitted(work: Callable[[int], Any]) -> int:
    """Return how many of MANY calls succeeded. All others must raise LimitReached."""
    said = at_once(MANY, work)
    refused = sum(isinstance(answer, LimitReached) for answer in said)
    assert [answer for answer in said if isinstance(answer, Exception) and not isinstance(answer, LimitReached)] == []
    return MANY - refused


def test_the_last_run_of_the_month_goes_to_one(free: Team, alice: User) -> None:
    agent = AgentFactory(team=free)
    RunFactory.create_batch(199, agent=agent)

    assert admitted(lambda _: start_run(team=free, actor=alice, agent=agent, prompt="Go")) == 1
    assert Run.objects.count() == 200


def test_the_last_place_for_an_agent_goes_to_one(free: Team, alice: User) -> None:
    made = admitted(lambda n: agents.create_agent(team=free, actor=alice, name=f"Agent {n}", instructions="Do it."))

    assert (made, Agent.objects.count()) == (1, 1)


def test_the_last_seat_goes_to_one(free: Team, alice: User) -> None:
    MembershipFactory(team=free)
    people = UserFactory.create_batch(MANY)

    assert admitted(lambda n: members.add_member(team=free, user=people[n], role=Role.VIEWER, actor=alice)) == 1
    assert Membership.objects.filter(team=free).count() == 3


def test_the_last_seat_is_offered_to_one(free: Team, alice: User) -> None:
    MembershipFactory(team=free)
    offer = {"team": free, "actor": alice, "role": Role.VIEWER}

    assert admitted(lambda n: invitations.invite(email=f"p{n}@example.com", **offer)) == 1
    assert Invitation.objects.count() == 1


def test_the_last_bytes_go_to_one(free: Team) -> None:
    StoredFileFactory(team=free, size=GB - 5)

    assert admitted(lambda n: save_file(team_id=free.pk, content=b"1234", name=f"{n}.txt")) == 1
    assert StoredFile.objects.count() == 2


def test_starting_and_joining_at_once_does_not_deadlock(free: Team, alice: User) -> None:
    """Start runs and add members at once.

    One locks the plan and then the team's key, the other the team and then the plan.
    """
    entitlements.assign_plan(team=free, actor=None, plan="pro")
    agent = AgentFactory(team=free)
    people = UserFactory.create_batch(MANY)

    def work(n: int) -> Any:
        if n % 2:
            return start_run(team=free, actor=alice, agent=agent, prompt="Go")
        return members.add_member(team=free, user=people[n], role=Role.VIEWER, actor=alice)

    assert admitted(work) == MANY


async def test_a_plan_bounds_how_many_runs_of_a_team_are_driven_at_once(
    open_journal: Open, team: Team, other_team: Team
) -> None:
    await sync_to_async(entitlements.assign_plan)(team=team, actor=None, plan="starter")
    await queue(await an_agent(team), "acme", 5)
    await queue(await an_agent(other_team), "elsewhere", 3, after_s=60)
    first, second = await open_journal("first"), await open_journal("second")

    taken = sorted(row["title"] for row in await first.claim(100))

    assert taken == ["acme 0", "acme 1", "elsewhere 0", "elsewhere 1", "elsewhere 2"]
    assert await second.claim(100) == []
