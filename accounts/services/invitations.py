"""Invitations by email. A link works once, for seven days, for one address; its token is only in the mail."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from accounts import audit, emails, hooks, mail, notifications
from accounts.errors import Conflict, FieldError, Forbidden, InvalidInput
from accounts.models import Invitation, Membership, NoticeKind, Role, Team, User
from accounts.models.roles import may_manage
from accounts.notifications import Notice
from accounts.services import rates
from accounts.services.members import add_member, lock_team

VALID_FOR = timedelta(days=7)
SEND_AGAIN_AFTER = timedelta(minutes=1)
MOST_OPEN = 100
"""Open invitations of one team: each is a mail to a stranger."""


class InvitationOver(Conflict):
    """Link that was used, revoked, or has expired; `invitation` in the response says which."""

    code = "invitation_over"
    title = "This invitation does not work any more"


class WrongPerson(Forbidden):
    """Link that was sent to another address than the signed-in person's."""

    code = "wrong_person"
    title = "This invitation is for somebody else"


@transaction.atomic
def invite(*, team: Team, actor: User, email: str, role: str) -> Invitation:
    """Send an invitation to the address.

    Nobody can give a higher role than their own, and the answer does not tell who has an account. Raises InvalidInput,
    Forbidden, Conflict, LimitReached.
    """
    rates.require("invite", f"team:{team.pk}")
    email = _address(email)
    if role not in Role.values:
        raise InvalidInput("There is no such role.", fields=[FieldError("role", "invalid_choice", "Choose a role.")])
    team = lock_team(team)
    _require_rank(team, actor, role)
    if Membership.objects.filter(team=team, user__email=email).exists():
        raise _refused(f"{email} is in this team already.")
    invitations = Invitation.objects.for_team(team).open()
    before = invitations.filter(email=email).first()
    if before is not None and not before.is_expired:
        raise _refused(f"{email} has an invitation already. Send it again, or revoke it first.")
    if before is not None:
        Invitation.objects.filter(pk=before.pk).update(revoked_at=timezone.now())
    if invitations.count() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} invitations are open. Revoke those that nobody takes, then invite again.")
    hooks.member_inviting(team=team, adding=1)
    invitation = Invitation(team=team, email=email, role=role, invited_by=actor)
    _send(invitation)
    audit.record(team=team, actor=actor, action="invitation.sent", target=invitation, role=role)
    return invitation


@transaction.atomic
def send_again(*, invitation: Invitation, actor: User) -> Invitation:
    """Send a new link, valid for seven days; the previous one stops working."""
    rates.require("invite", f"team:{invitation.team_id}")
    held = _lock_open(invitation)
    _require_rank(held.team, actor, held.role)
    if held.sent_at > timezone.now() - SEND_AGAIN_AFTER:
        raise Conflict("It was sent a moment ago. Wait a minute, then send it again.", retry_after_s=60)
    hooks.member_inviting(team=held.team, adding=int(held.is_expired))
    held.invited_by = actor
    _send(held)
    audit.record(team=held.team, actor=actor, action="invitation.sent_again", target=held, role=held.role)
    return held


@transaction.atomic
def revoke(*, invitation: Invitation, actor: User) -> None:
    """Revoke the invitation. A repeat changes nothing."""
    now = timezone.now()
    if Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=now):
        audit.record(team=invitation.team, actor=actor, action="invitation.revoked", target=invitation)


def find_invitation(token: str) -> Invitation | None:
    """Return the invitation of that token in any state, or None."""
    found = Invitation.objects.select_related("team", "invited_by").filter(token_sha256=_digest(token))
    return found.filter(team__removed_at__isnull=True).first()


@transaction.atomic
def accept(*, invitation: Invitation, user: User) -> Membership:
    """Join the team. A lock makes sure that of two people who open one link, only one joins."""
    held = _lock_open(invitation)
    if held.is_expired:
        raise _over(held)
    if not is_for(held, user):
        raise WrongPerson("It was sent to another address than the one that you are signed in with.")
    inviter = held.invited_by
    if inviter is None or not _may_give(held.team, inviter, held.role):
        raise InvitationOver(
            "Whoever sent this may not invite any more. Ask for another one.", extra={"invitation": "revoked"}
        )
    held.accepted_at = timezone.now()
    held.save(update_fields=["accepted_at"])
    audit.record(team=held.team, actor=user, action="invitation.accepted", target=held, role=held.role)
    joined = add_member(team=held.team, user=user, role=held.role, actor=user)
    _notify_inviter(held, inviter, user)
    return joined


def _notify_inviter(invitation: Invitation, inviter: User, user: User) -> None:
    notice = Notice(
        kind=NoticeKind.INVITATION,
        title=f"{user.display_name} joined {invitation.team.name}",
        detail=f"As {invitation.role}, by your invitation to {invitation.email}.",
        url=reverse("accounts:team_settings", args=[invitation.team.slug]),
        action="See the team",
        subject_type="invitation",
        subject_id=str(invitation.pk),
        subject_label=invitation.team.name,
    )
    notifications.notify(team=invitation.team, people=[inviter], notice=notice, needs="team:admin")


def is_for(invitation: Invitation, user: User) -> bool:
    """Return True if the person has proved that they own the invited address."""
    mine = EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True)
    return emails.canonical(invitation.email) in {emails.canonical(email) for email in (user.email, *mine)}


def _lock_open(invitation: Invitation) -> Invitation:
    """Lock the team's row and return the open invitation as it is now. Every change of members locks that row."""
    team = lock_team(invitation.team)
    held = Invitation.objects.for_team(team).select_related("invited_by").get(pk=invitation.pk)
    held.team = team
    if held.status in ("accepted", "revoked"):
        raise _over(held)
    return held


def _over(invitation: Invitation) -> InvitationOver:
    words = {
        "accepted": "It has already been used.",
        "revoked": "It was revoked.",
        "expired": "It expired after seven days.",
    }
    said = f"{words[invitation.status]} Ask whoever invited you for another one."
    return InvitationOver(said, extra={"invitation": invitation.status})


def _send(invitation: Invitation) -> None:
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    invitation.token_sha256 = _digest(token)
    invitation.sent_at, invitation.expires_at = now, now + VALID_FOR
    invitation.save()
    by = invitation.invited_by
    context = {
        "team": invitation.team.name,
        "inviter": by.display_name if by else "",
        "inviter_email": by.email if by else "",
        "role": invitation.get_role_display().lower(),
        "link": f"{settings.BASE_URL}/invitations/{token}/",
        "until": f"{invitation.expires_at:%d %B %Y}",
    }
    mail.send_mail_later(to=invitation.email, template="invitation", context=context)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _address(email: str) -> str:
    try:
        return emails.normalise(email)
    except ValidationError as error:
        raise _refused(" ".join(error.messages)) from None


def _refused(message: str) -> InvalidInput:
    return InvalidInput(message, fields=[FieldError("email", "invalid", message)])


def _may_give(team: Team, user: User, role: str) -> bool:
    mine = Membership.objects.filter(team=team, user=user, user__is_active=True).first()
    return mine is not None and may_manage(mine.role, role)


def _require_rank(team: Team, actor: User, role: str) -> None:
    if not _may_give(team, actor, role):
        raise Forbidden("Your role in this team does not allow that. Only an owner can invite owners.")
