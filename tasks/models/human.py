"""Requests of agents to people."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import TeamScopedModel, User
from agents.models import OfAgentQuerySet
from tasks.models.run import Run


class RequestKind(models.TextChoices):
    QUESTION = "question"
    APPROVAL = "approval"
    REVIEW = "review"
    BUDGET = "budget"
    UNKNOWN_EFFECT = "unknown_effect"
    NO_PROGRESS = "no_progress"


class RequestStatus(models.TextChoices):
    OPEN = "open"
    ANSWERED = "answered"
    EXPIRED = "expired"
    VOID = "void"


class HumanRequestQuerySet(OfAgentQuerySet["HumanRequest"]):
    agent_path = "run__agent"

    def open(self) -> Self:
        return self.filter(status=RequestStatus.OPEN)


class HumanRequest(TeamScopedModel):
    """Question, approval of one tool call, or review of the result. A waiting run holds no worker."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="requests")
    kind = models.CharField(max_length=16, choices=RequestKind.choices)
    status = models.CharField(max_length=10, choices=RequestStatus.choices, default=RequestStatus.OPEN)
    title = models.CharField(max_length=200)
    prompt = models.TextField(blank=True)
    choices = models.JSONField(null=True, blank=True)
    schema = models.JSONField(null=True, blank=True)
    step_index = models.PositiveIntegerField(null=True, blank=True)
    call_id = models.CharField(max_length=80, blank=True)
    tool = models.CharField(max_length=80, blank=True)
    arguments = models.JSONField(null=True, blank=True)
    digest = models.CharField(max_length=80, blank=True)
    """SHA-256 of the tool and the exact arguments that were shown; an approval runs these and nothing else, once."""
    asked_at = models.DateTimeField(default=timezone.now)
    notified_at = models.DateTimeField(null=True, blank=True)
    """Time of the notification. The engine leaves it null: the row itself says that somebody must be notified."""
    expires_at = models.DateTimeField(null=True, blank=True)
    answered_at = models.DateTimeField(null=True, blank=True)
    answered_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    answer = models.JSONField(null=True, blank=True)
    """Question: {"value"}. Approval: {"decision", "arguments", "comment"}. Review: {"decision", "comment"}."""

    objects = HumanRequestQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run"], condition=Q(status="open"), name="request_one_open_per_run"),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], condition=Q(status="open"), name="request_open"),
            models.Index(fields=["expires_at"], condition=Q(status="open"), name="request_expiry"),
            models.Index(fields=["asked_at"], condition=Q(status="open", notified_at=None), name="request_unnotified"),
        ]

    def __str__(self) -> str:
        return self.title
