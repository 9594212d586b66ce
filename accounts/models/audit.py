"""Who did what. Append-only; subjects are named by type, id and label, so that the entry outlives them."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.models.base import TeamScopedModel, TeamScopedQuerySet
from accounts.models.people import User


class AuditEntry(TeamScopedModel):
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    actor_label = models.CharField(max_length=160)
    action = models.CharField(max_length=60)
    subject_type = models.CharField(max_length=40)
    subject_id = models.CharField(max_length=40)
    subject_label = models.CharField(max_length=200, blank=True)
    data = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True)

    objects = TeamScopedQuerySet["AuditEntry"].as_manager()

    class Meta:
        verbose_name_plural = "audit entries"
        indexes = [models.Index(fields=["team", "-id"])]

    def __str__(self) -> str:
        return f"{self.actor_label}: {self.action} {self.subject_label}"
