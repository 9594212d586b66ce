"""Reusable tasks."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import TeamScopedModel, User
from agents.models import Agent, OfAgentQuerySet


class TaskQuerySet(OfAgentQuerySet["Task"]):
    def present(self) -> Self:
        """Filter tasks that were not deleted."""
        return self.filter(removed_at__isnull=True)


class Task(TeamScopedModel):
    """Prompt with `{{variables}}`, an agent, a review rule and limits; run as often as needed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=120)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tasks")
    prompt = models.TextField()
    variables = models.JSONField(default=list, blank=True)
    """[{"name", "label", "type": text|number|choice|date|file, "choices": […], "default", "required", "help"}, …]"""
    review = models.BooleanField(default=False)
    """True if a person must review the result before the run counts as succeeded."""
    output_schema = models.JSONField(null=True, blank=True)
    required_artifacts = models.JSONField(default=list, blank=True)
    max_cost_usd = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    max_turns = models.PositiveIntegerField(null=True, blank=True)
    timeout_s = models.PositiveIntegerField(null=True, blank=True)
    """Limits of a run; None takes the agent's."""
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)
    removed_at = models.DateTimeField(null=True, blank=True)

    objects = TaskQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["team", "-id"])]

    def __str__(self) -> str:
        return self.name
