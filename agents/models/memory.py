"""Memories: facts that an agent keeps between its runs."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import TeamScopedModel
from agents.models.agent import Agent, OfAgentQuerySet


class Memory(TeamScopedModel):
    """One fact that an agent remembers. Each text is stored once per agent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="memories")
    text = models.TextField()
    text_sha256 = models.CharField(max_length=64)
    run_id = models.UUIDField(null=True, blank=True)
    """The run in which the agent learned it; null if a person entered it."""
    accepted_at = models.DateTimeField(null=True, blank=True)
    """Time at which a person confirmed the fact. Confirmed facts are recalled first and forgotten last."""
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    objects = OfAgentQuerySet["Memory"].as_manager()

    class Meta:
        verbose_name_plural = "memories"
        constraints = [models.UniqueConstraint(fields=["agent", "text_sha256"], name="memory_once_per_agent")]

    def __str__(self) -> str:
        return self.text[:80]
