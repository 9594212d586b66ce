"""Changes of a team by several people at the same moment."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connections
from django.test import Client

from accounts.errors import Forbidden
from accounts.models import ApiKey, AuditEntry, Invitation, Membership, Role, Team, User
from accounts.services import deletion, invitations, keys, members, teams
from accounts.services.invitations import InvitationOver
from accounts.services.members import LastOwner
from tests.factories import MembershipFactory, TeamFactory, UserFactory
from tests.races.concurrency import at_once, until_waiting, while_open

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


def test_who_becomes_the_owner_at_that_moment_is_not_switched_off(
    transactional_db: None, team: Team, alice: User, bob: User
) -> None:
    operator = Client()
    operator.force_login(UserFactory(is_staff=True, is_superuser=True))
    address, fields = f"/admin/accounts/user/{bob.pk}/change/", {"email": bob.email, "name": bob.name, "hue": bob.hue}

    refused = while_open(
        lambda: members.transfer_ownership(team=team, actor=alice, user=bob), lambda: operator.post(address, fields)
    )

    assert f"Others work in {team.name} and would have no owner" in refused.text
    bob.refresh_from_db()
    assert bob.is_active


def test_a_person_who_joins_ten_times_at_once_joins_once(transactional_db: None) -> None:
    team, person = TeamFactory(), UserFactory()

    said = at_once(10, lambda _: members.add_member(team=team, user=person, role=Role.MEMBER, actor=None))

    assert {membership.pk for membership in said} == {Membership.objects.get(team=team).pk}
    assert AuditEntry.objects.filter(action="member.joined").count() == 1


def test_a_link_that_two_open_at_once_is_used_once(transactional_db: None) -> None:
    for _ in range(ROUNDS):
        team, [sender, _other] = two_owners()
        person = UserFactory()
        invitation = invitations.invite(team=team, actor=sender, email=person.email, role=Role.MEMBER)

        said = at_once(2, lambda _, one=invitation, who=person: invitations.accept(invitation=one, user=who))

        assert sorted(type(word) for word in said if isinstance(word, Exception)) == [InvitationOver]
        assert Membership.objects.filter(team=team, user=person).count() == 1
        assert AuditEntry.objects.filter(team=team, action="invitation.accepted").count() == 1


def test_of_two_who_invite_one_address_at_once_one_does(transactional_db: None) -> None:
    team, people = two_owners()

    said = at_once(
        2, lambda number: invitations.invite(team=team, actor=people[number], email="d@example.com", role=Role.VIEWER)
    )

    assert len([word for word in said if isinstance(word, Exception)]) == 1
    assert Invitation.objects.filter(team=team).count() == 1


def test_a_removal_and_a_link_at_once_leave_no_way_in(transactional_db: None) -> None:
    """Remove a member while somebody accepts their invitation. Either that came first, or the link is void."""
    for _ in range(ROUNDS):
        team, [owner, sender] = two_owners()
        person = UserFactory()
        invitation = invitations.invite(team=team, actor=sender, email=person.email, role=Role.MEMBER)

        def go(
            number: int, team: Team = team, one: Invitation = invitation, people: Any = (owner, sender, person)
        ) -> Any:
            if number == 0:
                return members.remove_member(team=team, actor=people[0], user=people[1])
            return invitations.accept(invitation=one, user=people[2])

        removed, joined = at_once(2, go)

        assert removed is None
        assert Membership.objects.filter(team=team, user=person).exists() != isinstance(joined, InvitationOver)


def test_a_removal_and_a_new_key_at_once_leave_no_key(transactional_db: None) -> None:
    """Remove a member who creates a key. A surviving key would work again once its maker returns."""
    for _ in range(ROUNDS):
        team, [owner, maker] = two_owners()

        def go(number: int, team: Team = team, owner: User = owner, maker: User = maker) -> Any:
            if number == 0:
                return members.remove_member(team=team, actor=owner, user=maker)
            return keys.create_key(team=team, actor=maker, name="Late", scopes=["runs:read"])

        removed, made = at_once(2, go)

        assert removed is None
        assert isinstance(made, (tuple, Forbidden))
        assert not ApiKey.objects.filter(team=team, revoked_at=None).exists()


def test_a_team_that_is_made_while_its_owner_is_deleted_is_not_left_behind(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator, person = UserFactory(), UserFactory()
    teams.create_team(owner=person, name="First")
    hold, made = deletion.lock_team, list[Future[None]]()

    def make_another() -> None:
        try:
            teams.create_team(owner=person, name="Second")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as other:

        def hold_meanwhile(team: Team) -> Team:
            made.append(other.submit(make_another))
            asyncio.run(until_waiting(1, made[0]))  # type: ignore[arg-type]
            return hold(team)

        monkeypatch.setattr(deletion, "lock_team", hold_meanwhile)
        deletion.remove_people(people=[person], actor=operator)

    assert isinstance(made[0].exception(), IntegrityError)
    assert not Team.objects.filter(removed_at=None, memberships=None).exists()
