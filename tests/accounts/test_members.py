from __future__ import annotations

import pytest

from accounts.errors import Forbidden, InvalidInput, LimitReached, NotFound
from accounts.hooks import member_joining
from accounts.models import AuditEntry, Membership, Role, Team, User
from accounts.services import keys, members
from accounts.services.members import LastOwner
from tests.factories import AgentFactory, MembershipFactory, TeamFactory, UserFactory

pytestmark = pytest.mark.django_db


def role_of(user: User, team: Team) -> str | None:
    return Membership.objects.filter(user=user, team=team).values_list("role", flat=True).first()


def person(team: Team, role: Role) -> User:
    return MembershipFactory(team=team, role=role).user


def test_a_team_is_not_handed_to_somebody_who_is_switched_off(team, alice, bob):
    User.objects.filter(pk=bob.pk).update(is_active=False)

    with pytest.raises(InvalidInput):
        members.transfer_ownership(team=team, actor=alice, user=bob)

    assert (role_of(alice, team), role_of(bob, team)) == (Role.OWNER, Role.MEMBER)


def test_an_admin_changes_the_role_of_a_member(team, alice, bob):
    ada = person(team, Role.ADMIN)

    members.change_role(team=team, actor=ada, user=bob, role=Role.ADMIN)

    entry = AuditEntry.objects.get()
    assert role_of(bob, team) == Role.ADMIN
    assert (entry.actor, entry.action, entry.subject_id) == (ada, "member.role_changed", str(bob.pk))
    assert entry.data == {"before": "member", "after": "admin"}


def test_the_same_role_again_is_no_change(team, alice, bob):
    members.change_role(team=team, actor=alice, user=bob, role=Role.MEMBER)

    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_only_owners_make_or_touch_owners(team, alice, bob, role):
    """Try every change of an owner as a person of each other role."""
    actor = person(team, role)

    with pytest.raises(Forbidden):
        members.change_role(team=team, actor=actor, user=bob, role=Role.OWNER)
    with pytest.raises(Forbidden):
        members.change_role(team=team, actor=actor, user=alice, role=Role.MEMBER)
    with pytest.raises(Forbidden):
        members.remove_member(team=team, actor=actor, user=alice)
    with pytest.raises(Forbidden):
        members.transfer_ownership(team=team, actor=actor, user=bob)
    with pytest.raises(Forbidden):
        members.change_role(team=team, actor=actor, user=actor, role=Role.OWNER)

    assert (role_of(alice, team), role_of(bob, team), role_of(actor, team)) == (Role.OWNER, Role.MEMBER, role)
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER, Role.BILLING])
def test_who_does_not_manage_the_team_changes_nobody(team, alice, bob, role):
    actor = person(team, role)

    with pytest.raises(Forbidden):
        members.change_role(team=team, actor=actor, user=bob, role=Role.VIEWER)
    with pytest.raises(Forbidden):
        members.remove_member(team=team, actor=actor, user=bob)

    assert role_of(bob, team) == Role.MEMBER


def test_the_last_owner_stays(team, alice, bob):
    MembershipFactory(team=team, role=Role.OWNER, user__is_active=False)

    with pytest.raises(LastOwner):
        members.change_role(team=team, actor=alice, user=alice, role=Role.ADMIN)
    with pytest.raises(LastOwner):
        members.remove_member(team=team, actor=alice, user=alice)

    assert role_of(alice, team) == Role.OWNER
    members.change_role(team=team, actor=alice, user=bob, role=Role.OWNER)
    members.remove_member(team=team, actor=alice, user=alice)
    assert (role_of(alice, team), role_of(bob, team)) == (None, Role.OWNER)


@pytest.mark.parametrize("role", ["boss", "", "OWNER"])
def test_a_role_that_does_not_exist_is_refused(team, alice, bob, role):
    with pytest.raises(InvalidInput):
        members.change_role(team=team, actor=alice, user=bob, role=role)

    assert role_of(bob, team) == Role.MEMBER


def test_ownership_moves_and_the_old_owner_stays_as_an_admin(team, alice, bob):
    members.transfer_ownership(team=team, actor=alice, user=bob)

    entry = AuditEntry.objects.get()
    assert (role_of(bob, team), role_of(alice, team)) == (Role.OWNER, Role.ADMIN)
    roles = {"before": {"alice@example.com": "owner", "bob@example.com": "member"}}
    roles["after"] = {"alice@example.com": "admin", "bob@example.com": "owner"}
    assert (entry.action, entry.data) == ("team.transferred", {"to": "bob@example.com", **roles})


def test_ownership_moves_to_a_member_only(team, alice, charlie):
    with pytest.raises(NotFound):
        members.transfer_ownership(team=team, actor=alice, user=charlie)
    with pytest.raises(InvalidInput):
        members.transfer_ownership(team=team, actor=alice, user=alice)

    assert role_of(alice, team) == Role.OWNER


def test_who_is_removed_takes_their_keys_along_and_leaves_their_agents(team, alice, bob):
    agent = AgentFactory(team=team, created_by=bob)
    elsewhere = MembershipFactory(user=bob, role=Role.OWNER).team
    key, token = keys.create_key(team=team, actor=bob, name="Bob's", scopes=["runs:read"])
    other, other_token = keys.create_key(team=elsewhere, actor=bob, name="Other", scopes=["runs:read"])

    members.remove_member(team=team, actor=alice, user=bob)

    key.refresh_from_db()
    agent.refresh_from_db()
    assert role_of(bob, team) is None
    assert key.revoked_at is not None
    assert (keys.find_key(token), keys.find_key(other_token)) == (None, other)
    assert (agent.status, agent.created_by) == ("active", bob)
    entry = AuditEntry.objects.get(action="member.removed")
    assert (entry.actor, entry.data) == (alice, {"role": "member", "keys_revoked": 1})


def test_a_key_of_before_does_not_come_back_with_its_maker(team, alice, bob):
    _, token = keys.create_key(team=team, actor=bob, name="Bob's", scopes=["runs:read"])
    members.remove_member(team=team, actor=alice, user=bob)

    members.add_member(team=team, user=bob, role=Role.MEMBER, actor=alice)

    assert keys.find_key(token) is None


def test_leaving_needs_nobodys_leave(team, alice, bob):
    members.remove_member(team=team, actor=bob, user=bob)

    assert role_of(bob, team) is None
    assert AuditEntry.objects.get().action == "member.left"


def test_nobody_is_removed_from_where_they_are_not(team, alice, charlie, other_team):
    with pytest.raises(NotFound):
        members.remove_member(team=team, actor=alice, user=charlie)
    with pytest.raises(NotFound):
        members.change_role(team=team, actor=alice, user=charlie, role=Role.VIEWER)

    assert role_of(charlie, other_team) == Role.OWNER


def test_joining_asks_first_whether_there_is_a_seat(team, alice, charlie):
    asked = []

    def full(*, team: Team, **_: object) -> None:
        asked.append(team)
        raise LimitReached("No seat.")

    member_joining.register(full)
    try:
        with pytest.raises(LimitReached):
            members.add_member(team=team, user=charlie, role=Role.MEMBER, actor=alice)
        members.add_member(team=team, user=alice, role=Role.MEMBER, actor=alice)
    finally:
        member_joining.unregister(full)

    assert asked == [team]
    assert (role_of(charlie, team), role_of(alice, team)) == (None, Role.OWNER)
    assert not AuditEntry.objects.exists()


def test_nobody_joins_a_team_that_was_deleted(alice):
    gone = TeamFactory(removed_at="2026-11-01T00:00:00Z")

    with pytest.raises(NotFound):
        members.add_member(team=gone, user=UserFactory(), role=Role.MEMBER, actor=alice)

    assert not Membership.objects.filter(team=gone).exists()
