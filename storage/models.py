"""Stored files and pending uploads: one row per object in the object store."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import TeamScopedModel, TeamScopedQuerySet, User, Viewer
from storage import hooks


class StoredFileQuerySet(TeamScopedQuerySet["StoredFile"]):
    def visible_to(self, access: Viewer) -> Self:
        found = self.for_team(access.team)
        for hidden in () if access.sees_every_agent else hooks.hidden_files(access):
            found = found.exclude(hidden)
        return found


class StoredFile(TeamScopedModel):
    """A complete object in the object store. Names, types and hashes are kept here, never in the store."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=120)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = StoredFileQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["expires_at"])]

    def __str__(self) -> str:
        return self.name


class Upload(TeamScopedModel):
    """An announced file that may be sent to the store by a signed address until `expires_at`.

    It becomes the StoredFile of the same id once the received bytes match the announcement.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    key = models.CharField(max_length=200, unique=True)
    name = models.CharField(max_length=255)
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    content_type = models.CharField(max_length=120, blank=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    objects = TeamScopedQuerySet["Upload"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["expires_at"])]

    def __str__(self) -> str:
        return self.name
