"""Agents, and the immutable versions that runs refer to."""

from __future__ import annotations

from decimal import Decimal
from typing import Self, TypeVar

from django.db import models
from django.db.models import OuterRef, Subquery
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import Membership, TeamScopedModel, TeamScopedQuerySet, User, Viewer
from billing.models import Budget

M = TypeVar("M", bound=models.Model, covariant=True)


class AgentStatus(models.TextChoices):
    ACTIVE = "active"
    PAUSED = "paused"
    REMOVED = "removed"


class Runtime(models.TextChoices):
    ANTHROPIC = "anthropic"
    DEMO = "demo"


class AgentQuerySet(TeamScopedQuerySet["Agent"]):
    def hidden_from(self, access: Viewer) -> Self:
        """Return the team's limited agents that the caller may not see."""
        limited = self.for_team(access.team).filter(is_limited=True)
        return limited.exclude(named_members__user=access.user_id)

    def visible_to(self, access: Viewer) -> Self:
        mine = self.for_team(access.team)
        if access.sees_every_agent:
            return mine
        return mine.exclude(pk__in=Agent.objects.hidden_from(access).values("pk"))

    def present(self) -> Self:
        """Leave out deleted agents."""
        return self.exclude(status=AgentStatus.REMOVED)

    def locked(self) -> Self:
        """Lock the agents until the transaction ends.

        Do not join the version: under READ COMMITTED a row that waited for the lock would be joined with the version
        from before the wait.
        """
        return self.select_for_update(of=("self",)).select_related("team")

    def with_budget(self) -> Self:
        """Annotate each agent with `budget_monthly_usd`, by a subquery."""
        mine = Budget.objects.filter(agent_id=OuterRef("pk"))
        return self.annotate(budget_monthly_usd=Subquery(mine.values("limit_usd")[:1]))


class OfAgentQuerySet(TeamScopedQuerySet[M]):
    """Rows that belong to an agent, and are visible exactly to those who see the agent."""

    agent_path = "agent"

    def visible_to(self, access: Viewer) -> Self:
        mine = self.for_team(access.team)
        if access.sees_every_agent:
            return mine
        return mine.exclude(**{f"{self.agent_path}__in": Agent.objects.hidden_from(access).values("pk")})


class Agent(TeamScopedModel):
    """A configured worker. `version` is its current configuration; every change makes a new one."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    name = models.CharField(max_length=80)
    role = models.CharField(max_length=80, blank=True)
    """Name of the role template that it started from, or the owner's own name for its role."""
    description = models.CharField(max_length=300, blank=True)
    hue = models.CharField(max_length=10, default="blue")
    icon = models.CharField(max_length=40, default="bot")
    status = models.CharField(max_length=10, choices=AgentStatus.choices, default=AgentStatus.ACTIVE)
    version = models.ForeignKey("AgentVersion", null=True, on_delete=models.PROTECT, related_name="+")
    max_concurrent_runs = models.PositiveIntegerField(default=10)
    is_limited = models.BooleanField(default=False)
    """True if only owners, admins and `named_members` see and use the agent, its tasks and its runs."""
    named_members = models.ManyToManyField(Membership, blank=True, related_name="+")
    """Memberships that see a limited agent. A person who leaves the team and returns must be named again."""
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    budget_monthly_usd: Decimal | None
    """Monthly budget in USD. Set only on agents that `with_budget()` returned."""

    objects = AgentQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["team", "status", "-id"])]

    def __str__(self) -> str:
        return self.name


class AgentVersion(TeamScopedModel):
    """An immutable snapshot of an agent's configuration."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    instructions = models.TextField()
    runtime = models.CharField(max_length=20, choices=Runtime.choices)
    model = models.CharField(max_length=80)
    tools = models.JSONField(default=list)
    """Policies of the tools: [{"tool": "query_table", "policy": "allow" | "ask" | "deny"}, …]."""
    memory_enabled = models.BooleanField(default=True)
    max_cost_usd = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal("1.00"))
    """Cost limit of one run in USD; a task or a start may lower this and the next two limits."""
    max_turns = models.PositiveIntegerField(default=40)
    timeout_s = models.PositiveIntegerField(default=1800)
    options = models.JSONField(default=dict, blank=True)
    """Runtime settings, such as {"max_tokens": 8000, "allowed_hosts": […]}."""
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = OfAgentQuerySet["AgentVersion"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "number"], name="agent_version_once")]

    def __str__(self) -> str:
        return f"{self.agent} v{self.number}"
