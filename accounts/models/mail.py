"""Mails on their way. The row is the truth; a message in the broker only says that there is one."""

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
        """By the database's clock, whatever this machine's says."""
        return self.filter(status=MailStatus.WAITING, next_try_at__lte=Now())

    @transaction.atomic
    def take(self, *, lease: timedelta) -> OutgoingMail | None:
        """The one that is due longest, counted as tried and nobody else's until the lease is over."""
        mail = self.due().order_by("next_try_at").select_for_update(skip_locked=True).first()
        if mail is not None:
            mail.attempts += 1
            self.filter(pk=mail.pk).update(attempts=mail.attempts, next_try_at=Now() + lease)
        return mail


class OutgoingMail(models.Model):
    """One mail to one address. Until it is sent, `context` holds what its templates say; afterwards nothing."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    to = models.EmailField()
    template = models.CharField(max_length=60)
    context = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    headers = models.JSONField(default=dict)
    notification = models.ForeignKey(Notification, null=True, blank=True, on_delete=models.CASCADE, related_name="+")
    """What it says, where it says what the bell shows; it is looked at again before the mail goes."""
    status = models.CharField(max_length=8, choices=MailStatus.choices, default=MailStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    next_try_at = models.DateTimeField(default=timezone.now)
    """Not before then. A try moves it ahead first: whoever comes meanwhile finds nothing to do."""
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = OutgoingMailQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["next_try_at"], condition=Q(status="waiting"), name="mail_due"),
            models.Index(fields=["ended_at"], condition=~Q(status="waiting"), name="mail_ended"),
        ]

    def __str__(self) -> str:
        return f"{self.template} to {self.to}"
