"""Members of a team: joining, roles, leaving.

Every change locks the team's row first, so that of two at once the second sees what the first did.
"""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts import audit, hooks
from accounts.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from accounts.models.roles import may_manage

NO_SUCH_MEMBER = "There is no such person in this team."


class LastOwner(Conflict):
    """Change that would leave the team without an owner."""

    code = "last_owner"
    title = "A team needs an owner"


def lock_team(team: Team) -> Team:
    """Lock and return the team until the transaction ends. Raises NotFound if it was deleted."""
    held = Team.objects.select_for_update(no_key=True).filter(pk=team.pk, removed_at__isnull=True).first()
    if held is None:
        raise NotFound("This team was deleted.")
    return held


@transaction.atomic
def add_member(*, team: Team, user: User, role: str, actor: User | None) -> Membership:
    """Add the person to the team. An existing member keeps their role."""
    team = lock_team(team)
    there = Membership.objects.filter(team=team, user=user).first()
    if there is not None:
        return there
    hooks.member_joining(team=team)
    membership = Membership.objects.create(team=team, user=user, role=role)
    audit.record(team=team, actor=actor, action="member.joined", target=user, role=role)
    return membership


@transaction.atomic
def change_role(*, team: Team, actor: User, user: User, role: str, is_operator: bool = False) -> Membership:
    """Change a member's role.

    Nobody gives or takes a higher role than their own; an operator need not be in the team. Raises InvalidInput,
    NotFound, Forbidden, LastOwner.
    """
    if role not in Role.values:
        raise InvalidInput("There is no such role.", fields=[FieldError("role", "invalid_choice", "Choose a role.")])
    team = lock_team(team)
    membership = _member(team, user)
    if not is_operator:
        _require_rank(team, actor, membership.role, role)
    if membership.role == role:
        return membership
    if membership.role == Role.OWNER:
        _require_another_owner(team, membership)
    before, membership.role = membership.role, role
    membership.save(update_fields=["role", "updated_at"])
    audit.record(team=team, actor=actor, action="member.role_changed", target=user, before=before, after=role)
    return membership


@transaction.atomic
def remove_member(*, team: Team, actor: User, user: User, is_operator: bool = False) -> None:
    """End a membership: somebody else's, or one's own by leaving.

    Revokes the keys and invitations that the person made; agents and runs stay. Sockets check the membership every few
    seconds and close themselves. Raises NotFound, Forbidden, LastOwner.
    """
    team = lock_team(team)
    membership = _member(team, user)
    is_leaving = actor.pk == user.pk
    if not (is_leaving or is_operator):
        _require_rank(team, actor, membership.role)
    if membership.role == Role.OWNER:
        _require_another_owner(team, membership)
    now = timezone.now()
    keys = ApiKey.objects.for_team(team).filter(created_by=user, revoked_at=None).update(revoked_at=now)
    Invitation.objects.for_team(team).open().filter(invited_by=user).update(revoked_at=now)
    role = membership.role
    membership.delete()
    action = "member.left" if is_leaving else "member.removed"
    audit.record(team=team, actor=actor, action=action, target=user, role=role, keys_revoked=keys)


@transaction.atomic
def transfer_ownership(*, team: Team, actor: User, user: User) -> Membership:
    """Make another member the owner. The previous owner stays as an admin."""
    team = lock_team(team)
    mine, theirs = _member(team, actor), _member(team, user)
    if mine.role != Role.OWNER:
        raise Forbidden("Only an owner can hand the team to somebody else.")
    if actor.pk == user.pk:
        wrong = FieldError("user", "invalid_choice", "Choose somebody else.")
        raise InvalidInput("The team is yours already.", fields=[wrong])
    if not theirs.user.is_active:
        wrong = FieldError("user", "invalid_choice", "Choose somebody who can sign in.")
        raise InvalidInput("This account is turned off, so nobody would own the team.", fields=[wrong])
    before = {user.email: theirs.role, actor.email: mine.role}
    theirs.role, mine.role = Role.OWNER, Role.ADMIN
    for membership in (theirs, mine):
        membership.save(update_fields=["role", "updated_at"])
    values = audit.diff(before, {user.email: theirs.role, actor.email: mine.role})
    audit.record(team=team, actor=actor, action="team.transferred", target=team, to=user.email, **values)
    return theirs


def owned_by_nobody_without(person: User) -> list[Team]:
    """Lock and return the teams that would lose their last owner.

    They have other members and no other owner who can sign in.
    """
    found = []
    mine = Team.objects.filter(removed_at=None, memberships__user=person)  # of any role, which may change meanwhile
    for pk in mine.order_by("pk").values_list("pk", flat=True):
        team = Team.objects.select_for_update(no_key=True).get(pk=pk)
        people = Membership.objects.filter(team=team, user__is_active=True)
        owners, others = people.filter(role=Role.OWNER), people.exclude(user=person)
        if [owner.user_id for owner in owners] == [person.pk] and others.exists():
            found.append(team)
    return found


def _member(team: Team, user: User) -> Membership:
    membership = Membership.objects.select_related("user").filter(team=team, user=user).first()
    if membership is None:
        raise NotFound(NO_SUCH_MEMBER)
    return membership


def _require_rank(team: Team, actor: User, *roles: str) -> None:
    """Raise Forbidden unless the actor may manage these roles.

    Checked under the lock, because the actor may have lost the role a moment ago.
    """
    mine = Membership.objects.filter(team=team, user=actor).values_list("role", flat=True).first()
    if mine is None or not all(may_manage(mine, role) for role in roles):
        raise Forbidden("Your role in this team does not allow that. Only an owner can change owners.")


def _require_another_owner(team: Team, membership: Membership) -> None:
    others = Membership.objects.filter(team=team, role=Role.OWNER, user__is_active=True).exclude(pk=membership.pk)
    if not others.exists():
        raise LastOwner("A team needs an owner. Make somebody else an owner first, or delete the team.")
