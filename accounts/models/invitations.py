"""Invitations to a team, by email."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models.base import TeamScopedModel, TeamScopedQuerySet
from accounts.models.people import Role, User


class InvitationQuerySet(TeamScopedQuerySet["Invitation"]):
    def open(self) -> Self:
        """Filter invitations that are neither used nor revoked. Expired ones are included: they can be sent again."""
        return self.filter(accepted_at__isnull=True, revoked_at__isnull=True)

    def good(self) -> Self:
        """Filter invitations that somebody can accept now."""
        return self.open().filter(expires_at__gt=timezone.now())


class Invitation(TeamScopedModel):
    """Link to join the team that works once, for one address. Only the SHA-256 of its token is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    token_sha256 = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["team", "email"],
                condition=Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_open_once_per_address",
            )
        ]

    def __str__(self) -> str:
        return self.email

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def status(self) -> str:
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "expired" if self.is_expired else "open"
