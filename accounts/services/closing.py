"""Deleting a team."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.errors import FieldError, Forbidden, InvalidInput
from accounts.models import ApiKey, Invitation, Membership, Role, Team, User
from accounts.removal import dependents
from accounts.services.members import hold
from accounts.signals import team_removed


@transaction.atomic
def remove_team(*, team: Team, actor: User, confirm: str) -> dict[str, int]:
    """Close the team for good; `confirm` is its name, typed. Answers with what ended (docs/adr/0011).

    One transaction cancels its live runs, revokes its keys, links and invitations and ends every membership, with which
    every page, key and socket of it closes. The row stays, and with it the ledger and the audit log.
    """
    held = hold(team)
    if not Membership.objects.filter(team=held, user=actor, role=Role.OWNER).exists():
        raise Forbidden("Only an owner can delete the team.")
    if " ".join(confirm.split()) != held.name:
        wrong = FieldError("confirm", "invalid", f"Type the team's name, {held.name}, as it is written here.")
        raise InvalidInput("This is not the team's name, so nothing was deleted.", fields=[wrong])
    ended = dependents(held)
    now = timezone.now()
    team_removed.send(sender=Team, team=held, actor=actor)
    ApiKey.objects.for_team(held).filter(revoked_at=None).update(revoked_at=now)
    Invitation.objects.for_team(held).open().update(revoked_at=now)
    people = list(held.memberships.order_by("id").values_list("user__email", flat=True))
    held.memberships.all().delete()
    held.removed_at = now
    held.save(update_fields=["removed_at", "updated_at"])
    audit.record(team=held, actor=actor, action="team.removed", target=held, people=people, **ended)
    return ended
