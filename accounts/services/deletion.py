"""Deletion of teams and of people."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction
from django.utils import timezone

from accounts import audit, hooks
from accounts.errors import FieldError, Forbidden, InvalidInput
from accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from accounts.removal import dependents
from accounts.services.members import LastOwner, lock_team, remove_member


@transaction.atomic
def remove_team(*, team: Team, actor: User, confirm: str) -> dict[str, int]:
    """Delete the team.

    Return counts of what ended; `confirm` is its name, typed (docs/adr/0011). One transaction cancels its live runs,
    revokes its keys, links and invitations and ends every membership, which closes every page, key and socket of it.
    The row stays, with the ledger and the audit log. Raises Forbidden, InvalidInput.
    """
    held = lock_team(team)
    if not Membership.objects.filter(team=held, user=actor, role=Role.OWNER).exists():
        raise Forbidden("Only an owner can delete the team.")
    if " ".join(confirm.split()) != held.name:
        wrong = FieldError("confirm", "invalid", f"Type the team's name, {held.name}, as it is written here.")
        raise InvalidInput("This is not the team's name, so nothing was deleted.", fields=[wrong])
    return _close_team(held, actor)


@transaction.atomic
def remove_people(*, people: Collection[User], actor: User) -> None:
    """Delete these people, all or none.

    A team without other members is deleted with them; a team with others must keep an owner. The people are locked, so
    that none joins another team meanwhile. Raises LastOwner.
    """
    list(User.objects.select_for_update().filter(pk__in=[one.pk for one in people]).order_by("pk"))
    for team in Team.objects.filter(memberships__user__in=people).distinct().order_by("pk"):
        held = lock_team(team)
        if not held.memberships.exclude(user__in=people).exists():
            _close_team(held, actor)
            continue
        for person in people:
            if held.memberships.filter(user=person).exists():
                _remove_from_team(held, person, actor)
    for person in people:
        person.delete()


def _remove_from_team(team: Team, person: User, actor: User) -> None:
    try:
        remove_member(team=team, actor=actor, user=person, is_operator=True)
    except LastOwner:
        raise LastOwner(
            f"{person.email} is the last owner of {team.name}, where others work too. Make one of them an owner "
            "first (Memberships in the admin), or let an owner delete the team. Nobody was deleted."
        ) from None


def _close_team(held: Team, actor: User) -> dict[str, int]:
    ended = dependents(held)
    now = timezone.now()
    hooks.team_removed(team=held, actor=actor)
    ApiKey.objects.for_team(held).filter(revoked_at=None).update(revoked_at=now)
    Invitation.objects.for_team(held).open().update(revoked_at=now)
    people = list(held.memberships.order_by("id").values_list("user__email", flat=True))
    held.memberships.all().delete()
    held.removed_at = now
    held.save(update_fields=["removed_at", "updated_at"])
    audit.record(team=held, actor=actor, action="team.removed", target=held, people=people, **ended)
    return ended
