"""Outgoing mail. The row is the truth; a broker message only says that there is one."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models.notifications import Notification


class MailStatus(models.TextChoices):
    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    DROPPED = "dropped"


class OutgoingMailQuerySet(models.QuerySet["OutgoingMail"]):
    def due(self) -> Self:
        """Filter mails that are due by the database's clock."""
        return self.filter(status=MailStatus.WAITING, next_try_at__lte=Now())

    @transaction.atomic
    def take(self, *, lease: timedelta) -> OutgoingMail | None:
        """Claim the mail that has been due longest.

        It counts an attempt and hides the mail for the lease. Return None if none is due.
        """
        mail = self.due().order_by("next_try_at").select_for_update(skip_locked=True).first()
        if mail is not None:
            mail.attempts += 1
            self.filter(pk=mail.pk).update(attempts=mail.attempts, next_try_at=Now() + lease)
        return mail


class OutgoingMail(models.Model):
    """Mail to one address. `context` holds the template's values until it is sent, then nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    to = models.EmailField()
    template = models.CharField(max_length=60)
    context = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    headers = models.JSONField(default=dict)
    notification = models.ForeignKey(Notification, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    """Notification that the mail is about. It is checked again before the mail is sent."""
    status = models.CharField(max_length=8, choices=MailStatus.choices, default=MailStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    next_try_at = models.DateTimeField(default=timezone.now)
    """Earliest time of the next attempt. An attempt first moves it ahead, so that other workers skip the row."""
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = OutgoingMailQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(status="waiting"), name="mail_due"),
            models.Index(fields=["ended_at"], condition=~Q(status="waiting"), name="mail_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.to}"
