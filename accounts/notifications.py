"""Notifications, written in the transaction that causes them.

Each is a row for the bell, and a mail where the person wants one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.db import models, transaction
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from accounts import audit, hooks, mail
from accounts.errors import FieldError, InvalidInput
from accounts.models import Channel, Membership, NoticeKind, Notification, Team, User
from accounts.models.notifications import channels_of
from accounts.models.roles import ACTIONS

PAUSE = timedelta(seconds=60)
"""Delay before a mail that a run needs the person. Within it they may see and answer the notification in Deskhand."""
KEEP = timedelta(days=90)
"""Age at which notifications are deleted."""
GONE = "It is gone."
"""Answer of a `notification_outdated` receiver when there is nothing left to show."""
LINK_AGE, OFF_AGE = timedelta(days=14), timedelta(days=90)
"""Lifetime of links in mails: to a notification, and to unsubscribe."""
_LINK, _OFF = "accounts.notification.link", "accounts.notification.off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Content of a notification. `action` labels the button of the mail, which only opens `url`."""

    kind: NoticeKind
    title: str
    detail: str = ""
    url: str
    action: str
    subject_type: str
    subject_id: str
    subject_label: str = ""


@transaction.atomic
def notify(*, team: Team, people: Iterable[User], notice: Notice, needs: str) -> list[Notification]:
    """Notify those people who are in the team with a role that includes `needs`.

    Return the new rows. A repeat for the same subject adds nothing.
    """
    wanted = {person.pk for person in people}
    told = []
    for membership in members(team, needs=needs).filter(user__in=wanted):
        person = membership.user
        channels = channels_of(person, notice.kind)
        if not channels:
            continue
        row, is_new = Notification.objects.get_or_create(
            person=person,
            kind=notice.kind,
            subject_type=notice.subject_type,
            subject_id=notice.subject_id,
            defaults={
                "team": team,
                "title": notice.title[:200],
                "detail": notice.detail[:300],
                "url": notice.url,
                "subject_label": notice.subject_label[:200],
                "is_shown": Channel.APP in channels,
                "created_at": Now(),
            },
        )
        if is_new:
            told.append(row)
            if Channel.MAIL in channels:
                _mail(row, team, person, notice)
    changed(team.pk, [row.person_id for row in told])
    return told


def members(team: Team, *, needs: str) -> models.QuerySet[Membership]:
    """Return the active memberships whose role includes the action, oldest first."""
    roles = [role for role, actions in ACTIONS.items() if needs in actions]
    found = Membership.objects.filter(team=team, team__removed_at__isnull=True, role__in=roles, user__is_active=True)
    return found.select_related("user").order_by("created_at")


def _mail(row: Notification, team: Team, person: User, notice: Notice) -> None:
    off = settings.BASE_URL + reverse("notification_off", args=[_signed(_OFF, person=str(person.pk), kind=row.kind)])
    mail.send_mail_later(
        to=person.email,
        template="notification",
        context={
            "title": row.title,
            "detail": row.detail,
            "subject": row.subject_label,
            "team": team.name,
            "action": notice.action,
            "link": settings.BASE_URL + reverse("notification_link", args=[_signed(_LINK, id=str(row.pk))]),
            "why": NoticeKind(row.kind).label,
            "settings_url": settings.BASE_URL + reverse("accounts:notification_choices", args=[team.slug]),
            "off_url": off,
        },
        headers={"List-Unsubscribe": f"<{off}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"},
        notification=row,
        after=PAUSE if row.kind == NoticeKind.NEEDS_YOU else timedelta(0),
    )


def changed(team_id: UUID, people: Collection[UUID]) -> None:
    """Refresh the bells of these people after the commit."""
    if people:
        told = partial(hooks.notifications_changed, team_id=team_id, people=list(people))
        transaction.on_commit(told)


# ---- Reading


@transaction.atomic
def mark_read(*, team: Team, person: User, actions: Collection[str], only: UUID | None = None) -> int:
    """Mark the person's notifications in this team as read, or only one of them. Return how many were unread."""
    rows = Notification.objects.for_team(team).shown_to(person, actions).filter(read_at__isnull=True)
    count = (rows if only is None else rows.filter(pk=only)).update(read_at=timezone.now())
    if count:
        changed(team.pk, [person.pk])
    return count


@transaction.atomic
def settle(*, subject_type: str, subject_ids: Collection[str]) -> None:
    """Mark the subjects' notifications as needing nobody any more.

    They leave the counts, and their mails are not sent.
    """
    rows = Notification.objects.filter(
        subject_type=subject_type, subject_id__in=subject_ids, kind=NoticeKind.NEEDS_YOU, settled_at__isnull=True
    )
    people: dict[UUID, list[UUID]] = {}
    for team_id, person_id in rows.values_list("team_id", "person_id"):
        people.setdefault(team_id, []).append(person_id)
    rows.update(settled_at=timezone.now())
    for team_id, who in people.items():
        changed(team_id, who)


@transaction.atomic
def retract(*, subject_type: str, subject_id: str) -> None:
    """Delete notifications of how the subject ended, because it no longer has.

    Unsent mails go with them, and the next end notifies again.
    """
    ends = (NoticeKind.FAILED, NoticeKind.FINISHED)
    rows = Notification.objects.filter(subject_type=subject_type, subject_id=subject_id, kind__in=ends)
    people: dict[UUID, list[UUID]] = {}
    for team_id, person_id in rows.values_list("team_id", "person_id"):
        people.setdefault(team_id, []).append(person_id)
    rows.delete()
    for team_id, who in people.items():
        changed(team_id, who)


def forget_old() -> None:
    Notification.objects.filter(created_at__lt=timezone.now() - KEEP).delete()


# ---- Choices


def choose(*, person: User, choices: Mapping[str, Collection[str]], by_link: bool = False) -> None:
    """Save the channels of each named kind; other kinds stay as they are.

    Raises InvalidInput. With `by_link` the audit log names no actor: whoever has the link from a mail need not be that
    person.
    """
    unknown = [kind for kind, of in choices.items() if kind not in NoticeKind or not set(of) <= set(Channel)]
    if unknown:
        raise InvalidInput("There is no such choice.", fields=[FieldError(unknown[0], "invalid", "Choose again.")])
    with transaction.atomic():
        fresh = User.objects.select_for_update().get(pk=person.pk)
        before = {str(kind): sorted(channels_of(fresh, kind)) for kind in choices}
        fresh.notice_channels |= {str(kind): sorted(str(c) for c in of) for kind, of in choices.items()}
        fresh.save(update_fields=["notice_channels"])
        audit.record_person(
            person=fresh,
            actor=None if by_link else fresh,
            action="person.notices_chosen",
            by="link" if by_link else "page",
            **audit.diff(before, {str(kind): sorted(channels_of(fresh, kind)) for kind in choices}),
        )
    person.notice_channels = fresh.notice_channels


def switch_mail_off(*, person: User, kind: NoticeKind) -> None:
    choose(person=person, choices={kind: channels_of(person, kind) - {Channel.MAIL}}, by_link=True)


# ---- Links in mails: they say which thing and which person, and do nothing


def _signed(salt: str, **what: Any) -> str:
    return signing.dumps(what, salt=salt)


def opened(token: str) -> Notification | None:
    """Return the notification that the link names. None if the link is forged or too old."""
    try:
        found = signing.loads(token, salt=_LINK, max_age=LINK_AGE)
    except signing.BadSignature:
        return None
    return Notification.objects.select_related("team", "person").filter(pk=found["id"]).first()


def opened_off(token: str) -> tuple[User, NoticeKind] | None:
    """Return the person and kind that the unsubscribe link names. None if it is forged or too old."""
    try:
        found = signing.loads(token, salt=_OFF, max_age=OFF_AGE)
    except signing.BadSignature:
        return None
    person = User.objects.filter(pk=found["person"], is_active=True).first()
    return (person, NoticeKind(found["kind"])) if person else None
