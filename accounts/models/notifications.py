"""Notifications, and the channels that a person chose for them."""

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
    """Return the channels on which the person wants this kind of notification."""
    chosen = person.notice_channels.get(kind)
    return frozenset(DEFAULT_CHANNELS[NoticeKind(kind)] if chosen is None else chosen)


class NotificationQuerySet(TeamScopedQuerySet["Notification"]):
    def shown_to(self, person: User, actions: Collection[str]) -> Self:
        """Filter the person's notifications that these actions allow them to see.

        Without `runs:read`, none that is about a run.
        """
        mine = self.filter(person=person, is_shown=True)
        return mine if "runs:read" in actions else mine.exclude(kind__in=ABOUT_RUNS)

    def unread(self) -> Self:
        """Filter notifications that are neither read nor settled."""
        return self.filter(read_at__isnull=True, settled_at__isnull=True)


class Notification(TeamScopedModel):
    """Notice to one person about one thing, sent once.

    The subject is named, not referenced: it may be deleted before this row.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    title = models.CharField(max_length=200)
    detail = models.CharField(max_length=300, blank=True)
    url = models.CharField(max_length=300)
    """Path of the page that shows it, below BASE_URL."""
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=60)
    subject_label = models.CharField(max_length=200, blank=True)
    is_shown = models.BooleanField(default=True)
    """False if the person wants this kind by mail only."""
    created_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    """Time since which nobody needs to act: answered, expired or cancelled."""

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
