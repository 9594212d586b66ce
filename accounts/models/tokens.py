"""Sign-ins over the API: one row each, from which all their tokens descend."""

from __future__ import annotations

from typing import Self
from uuid import uuid4

from django.db import models
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models.people import User


class TokenFamilyQuerySet(models.QuerySet["TokenFamily"]):
    def live(self) -> Self:
        return self.filter(revoked_at__isnull=True, expires_at__gt=timezone.now(), user__is_active=True)


class TokenFamily(models.Model):
    """Sign-in over the API. `current` is the id of the only refresh token that is still valid."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="token_families")
    current = models.UUIDField(default=uuid4)
    session_hash = models.CharField(max_length=128)
    """Django's `get_session_auth_hash` at sign-in. It changes with the password, which ends the family."""
    user_agent = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = TokenFamilyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "token families"

    def __str__(self) -> str:
        return f"{self.user}, {self.user_agent or 'an API client'}"
