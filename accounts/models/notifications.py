"""What a person is told, and how they want to be told."""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models.base import TeamScopedModel, TeamScopedQuerySet
from accounts.models.people import User


class NoticeKind(models.TextChoices):
    NEEDS_YOU = "needs_you", "A run needs you"
    FAILED = "failed", "A run of yours failed"
    BUDGET = "budget", "Budget at 80% or 100%"
    INVITATION = "invitation", "Someone accepted your invitation"
    FINISHED = "finished", "A run of yours is done"


ABOUT_RUNS = (NoticeKind.NEEDS_YOU, NoticeKind.FAILED, NoticeKind.FINISHED)


class Channel(models.TextChoices):
    APP = "app", "In Deskhand"
    MAIL = "mail", "Email"


DEFAULT_CHANNELS = {
    NoticeKind.NEEDS_YOU: frozenset({Channel.APP, Channel.MAIL}),
    NoticeKind.FAILED: frozenset({Channel.APP, Channel.MAIL}),
    NoticeKind.BUDGET: frozenset({Channel.APP, Channel.MAIL}),
    NoticeKind.INVITATION: frozenset({Channel.APP, Channel.MAIL}),
    NoticeKind.FINISHED: frozenset[Channel](),
}


def channels_of(person: User, kind: str) -> frozenset[str]:
    """How the person wants to hear of this kind of thing."""
    chosen = person.notice_channels.get(kind)
    return frozenset(DEFAULT_CHANNELS[NoticeKind(kind)] if chosen is None else chosen)


class NotificationQuerySet(TeamScopedQuerySet["Notification"]):
    def shown_to(self, person: User, actions: Collection[str]) -> Self:
        """What the person was told and may see with these actions: who sees no runs sees nothing that is about one."""
        mine = self.filter(person=person, is_shown=True)
        return mine if "runs:read" in actions else mine.exclude(kind__in=ABOUT_RUNS)

    def unread(self) -> Self:
        """What is over needs nobody's eye, even if nobody has opened it."""
        return self.filter(read_at__isnull=True, settled_at__isnull=True)


class Notification(TeamScopedModel):
    """One thing that one person is told, once. Its subject is named, not referenced: it may be gone before this row."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    title = models.CharField(max_length=200)
    detail = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=300)
    """The page that shows it, below BASE_URL."""
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=60)
    subject_label = models.CharField(max_length=200, blank=True)
    is_shown = models.BooleanField(default=True)
    """False for who wants to hear of it by mail only."""
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    """Since when it needs nobody any more: answered, expired, cancelled."""

    objects = NotificationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["person", "kind", "subject_type", "subject_id"], name="notification_once")
        ]
        indexes = [
            models.Index(fields=["team", "person", "-id"], condition=Q(is_shown=True), name="notification_bell"),
            models.Index(fields=["subject_type", "subject_id"], name="notification_subject"),
            models.Index(
                fields=["team", "person"],
                condition=Q(is_shown=True, read_at=None, settled_at=None),
                name="notification_unread",
            ),
            models.Index(fields=["created_at"], name="notification_age"),
        ]

    def __str__(self) -> str:
        return self.title
