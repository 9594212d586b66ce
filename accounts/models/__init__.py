from __future__ import annotations

from accounts.models.audit import AuditEntry, AuditHead
from accounts.models.base import TeamScopedModel, TeamScopedQuerySet, Viewer
from accounts.models.invitations import Invitation
from accounts.models.keys import ApiKey, IdempotencyRecord
from accounts.models.known_addresses import KnownAddress
from accounts.models.mail import MailStatus, OutgoingMail
from accounts.models.notifications import Channel, NoticeKind, Notification
from accounts.models.people import Membership, Role, Team, User
from accounts.models.periodic_job import PeriodicJob
from accounts.models.tokens import TokenFamily

__all__ = [
    "ApiKey",
    "AuditEntry",
    "AuditHead",
    "Channel",
    "IdempotencyRecord",
    "Invitation",
    "KnownAddress",
    "MailStatus",
    "Membership",
    "NoticeKind",
    "Notification",
    "OutgoingMail",
    "PeriodicJob",
    "Role",
    "Team",
    "TeamScopedModel",
    "TeamScopedQuerySet",
    "TokenFamily",
    "User",
    "Viewer",
]
