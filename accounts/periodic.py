"""Periodic jobs of accounts."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from accounts import mail, notifications
from accounts.models import IdempotencyRecord
from accounts.periodic_jobs import register
from accounts.services import audit_chain, audit_checkpoints

HOUR_S = 3600.0
IDEMPOTENCY_KEPT = timedelta(hours=24)


def wake_mailer() -> None:
    """Queue the sending of due mails again: messages get lost."""
    mail.wake_if_due()


def purge_idempotency_records() -> None:
    """Delete idempotency records older than IDEMPOTENCY_KEPT."""
    IdempotencyRecord.objects.filter(created_at__lt=Now() - IDEMPOTENCY_KEPT).delete()


def purge_old_mails() -> None:
    """Delete mails that ended long ago."""
    mail.forget_old()


def purge_old_notifications() -> None:
    """Delete old notifications."""
    notifications.forget_old()


def seal_audit_log() -> None:
    """Give new audit entries their place in the chain of their team."""
    audit_chain.seal_pending()


def save_audit_checkpoints() -> None:
    """Copy the ends of the audit chains to the file store."""
    audit_checkpoints.save_due()


register("accounts", wake_mailer, every_s=5, lane="mail")
register("accounts", seal_audit_log, every_s=5)
register("accounts", save_audit_checkpoints, every_s=60, lane="store")
register("accounts", purge_idempotency_records, every_s=600)
register("accounts", purge_old_mails, every_s=HOUR_S)
register("accounts", purge_old_notifications, every_s=HOUR_S)
