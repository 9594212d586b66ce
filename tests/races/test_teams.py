"""People who change a team at the same moment."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.services import members
from accounts.services.members import LastOwner
from tests.factories import MembershipFactory, TeamFactory, UserFactory
from tests.races.together import at_once

ROUNDS = 8


def two_owners() -> tuple[Team, list[User]]:
    team = TeamFactory()
    return team, [MembershipFactory(team=team, role=Role.OWNER).user for _ in range(2)]


def owners(team: Team) -> int:
    return Membership.objects.filter(team=team, role=Role.OWNER).count()


@pytest.mark.parametrize("how", ["demote themselves", "leave", "one leaves, one is demoted", "demote each other"])
def test_of_two_owners_who_go_at_once_one_stays(transactional_db: None, how: str) -> None:
    for _ in range(ROUNDS):
        team, people = two_owners()

        def go(number: int, team: Team = team, people: list[User] = people) -> Any:
            mine, other = people[number], people[1 - number]
            if how == "leave" or (how == "one leaves, one is demoted" and number == 0):
                return members.remove_member(team=team, actor=mine, user=mine)
            whom = other if how == "demote each other" else mine
            return members.change_role(team=team, actor=mine, user=whom, role=Role.ADMIN)

        said = at_once(2, go)

        refused = [word for word in said if isinstance(word, Exception)]
        assert len(refused) == 1
        assert how == "demote each other" or isinstance(refused[0], LastOwner)
        assert owners(team) == 1
        assert AuditEntry.objects.filter(team=team).count() == 1


def test_a_person_who_joins_ten_times_at_once_joins_once(transactional_db: None) -> None:
    team, person = TeamFactory(), UserFactory()

    said = at_once(10, lambda _: members.add_member(team=team, user=person, role=Role.MEMBER, actor=None))

    assert {membership.pk for membership in said} == {Membership.objects.get(team=team).pk}
    assert AuditEntry.objects.filter(action="member.joined").count() == 1
