"""Keys of the REST API, and the stored responses of idempotent requests."""

from __future__ import annotations

from typing import Self

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models.base import TeamScopedModel, TeamScopedQuerySet
from accounts.models.people import User


class ApiKeyQuerySet(TeamScopedQuerySet["ApiKey"]):
    def live(self) -> Self:
        """Filter keys that work.

        They are neither revoked nor expired, and their active maker is in the team. Annotates `maker_role`.
        """
        return (
            self.select_related("team", "created_by")
            .filter(
                Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
                revoked_at__isnull=True,
                created_by__is_active=True,
                team__memberships__user=F("created_by"),
            )
            .annotate(maker_role=F("team__memberships__role"))
        )


class ApiKey(TeamScopedModel):
    """Credential `dh_<prefix>_<secret>` of a team. Only the SHA-256 of the secret is stored."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12, unique=True)
    secret_sha256 = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=30), default=list)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    maker_role: str
    """Role of the key's maker today. Only on keys that `live()` returned."""

    objects = ApiKeyQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} (dh_{self.prefix}_…)"


class IdempotencyRecord(TeamScopedModel):
    """First response to a POST with an Idempotency-Key, kept for 24 hours. A status of null means in flight."""

    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TeamScopedQuerySet["IdempotencyRecord"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "key"], name="idempotency_key_once_per_team")]
        indexes = [models.Index(fields=["created_at"])]

    def __str__(self) -> str:
        return self.key
