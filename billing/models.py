"""Plans, prices, the usage ledger, budgets and reservations. Amounts are USD with six decimals."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Case, F, Q, When
from django.db.models.functions import Now, TruncMonth
from django.utils import timezone

from accounts.ids import uuid7
from accounts.models import Team, TeamScopedModel, TeamScopedQuerySet
from billing.plans import CHOICES


def default_plan() -> str:
    return settings.DEFAULT_PLAN  # type: ignore[no-any-return]


class TeamPlan(models.Model):
    """Plan of a team. One lockable row per team."""

    team = models.OneToOneField(Team, primary_key=True, on_delete=models.CASCADE, related_name="plan")
    plan = models.CharField(max_length=30, choices=CHOICES, default=default_plan)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.team}: {self.plan}"


class Price(models.Model):
    """Price of a model from a day on, in USD per million tokens.

    A call with more than `band_tokens` of input is charged at the `band_` prices as a whole.
    """

    model = models.CharField(max_length=80)
    effective_from = models.DateField()
    ends_on = models.DateField(
        null=True, blank=True, help_text="The last day on which the provider answers calls to the model."
    )
    """Last day of the model, read from its newest price. Agents on a model that has ended start no new runs."""
    input_usd = models.DecimalField(max_digits=12, decimal_places=6)
    output_usd = models.DecimalField(max_digits=12, decimal_places=6)
    cache_read_usd = models.DecimalField(max_digits=12, decimal_places=6)
    cache_write_usd = models.DecimalField(max_digits=12, decimal_places=6)
    band_tokens = models.PositiveIntegerField(null=True, blank=True)
    band_input_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    band_output_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    band_cache_read_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)
    band_cache_write_usd = models.DecimalField(max_digits=12, decimal_places=6, null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model", "effective_from"], name="price_once_per_day")]

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from}"


class UsageKind(models.TextChoices):
    MODEL = "model"
    TOOL = "tool"


class UsageOutcome(models.TextChoices):
    CHARGED = "charged"
    FREE = "free"
    UNKNOWN = "unknown"
    """A call that was sent and never answered. The cost is an estimate, and the customer does not pay it."""


class UsageRecord(TeamScopedModel):
    """One line of the append-only usage ledger. It refers to its subjects by id and label, because it outlives them."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    key = models.CharField(max_length=120)
    """Idempotency key of the call: run, step and attempt, prefixed with `unknown:` while its outcome is unknown.

    Rows from before migration 0007 hold the provider's id here.
    """
    provider_id = models.CharField(max_length=120, blank=True, default="", db_default="")
    """Provider's id of the answer, for reference. Not unique: a gateway may give two answers one id."""
    kind = models.CharField(max_length=10, choices=UsageKind.choices)
    outcome = models.CharField(max_length=10, choices=UsageOutcome.choices)
    at = models.DateTimeField(default=timezone.now)
    run_id = models.UUIDField()
    step_key = models.CharField(max_length=80)
    agent_id = models.UUIDField(null=True)
    agent_label = models.CharField(max_length=120, blank=True)
    task_id = models.UUIDField(null=True)
    model = models.CharField(max_length=80, blank=True)
    input_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    is_estimate = models.BooleanField(default=False, db_default=False)
    """True if the provider sent no usable count: tokens and cost are our own upper estimate."""

    objects = TeamScopedQuerySet["UsageRecord"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key"], name="usage_key_once")]
        indexes = [models.Index(fields=["team", "at"]), models.Index(fields=["run_id"])]

    def __str__(self) -> str:
        return f"{self.key} ${self.cost_usd}"


class BudgetQuerySet(TeamScopedQuerySet["Budget"]):
    def with_left(self) -> Self:
        """Annotate each budget with `left_usd`, the amount that can still be reserved.

        In a new month nothing is spent yet. The month is that of the database's clock, which workers also reserve by.
        """
        month = TruncMonth(Now(), output_field=models.DateField(), tzinfo=UTC)
        spent = Case(When(period=month, then="spent_usd"), default=Decimal(0))
        return self.annotate(left_usd=F("limit_usd") - F("reserved_usd") - spent)

    def short_of(self, usd: Any) -> Self:
        """Return the budgets with less than that amount left."""
        return self.with_left().filter(Q(left_usd__lt=usd))


class Budget(TeamScopedModel):
    """Hard monthly limit of a team or of one agent. `spent` and `reserved` belong to the month `period`."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    agent_id = models.UUIDField(null=True, blank=True)
    """Agent of the budget; null for the whole team's. An id, not a foreign key: billing lies below agents."""
    limit_usd = models.DecimalField(max_digits=14, decimal_places=6)
    period = models.DateField()
    spent_usd = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    reserved_usd = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    warned_at = models.DateTimeField(null=True, blank=True)
    warning_notified_at = models.DateTimeField(null=True, blank=True)
    spent_notified_at = models.DateTimeField(null=True, blank=True)
    """Times of the notifications about 80 % (`warned_at`) and about 100 % spent.

    A time before `warned_at` means that the notification is still due.
    """
    created_at = models.DateTimeField(default=timezone.now)

    objects = BudgetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team"], condition=Q(agent_id__isnull=True), name="budget_one_per_team"),
            models.UniqueConstraint(fields=["agent_id"], name="budget_one_per_agent"),
            models.CheckConstraint(condition=Q(reserved_usd__gte=0, spent_usd__gte=0), name="budget_not_negative"),
        ]
        indexes = [models.Index(fields=["warned_at"], condition=Q(warned_at__isnull=False), name="budget_warned")]

    def __str__(self) -> str:
        return f"${self.limit_usd} a month"


class Reservation(TeamScopedModel):
    """Money reserved for one model call. Deleted when the call is settled."""

    key = models.CharField(max_length=120)
    """Step and attempt of the call."""
    run_id = models.UUIDField()
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="reservations")
    amount_usd = models.DecimalField(max_digits=14, decimal_places=6)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TeamScopedQuerySet["Reservation"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "budget"], name="reservation_once_per_call")]
        indexes = [models.Index(fields=["run_id"])]

    def __str__(self) -> str:
        return f"{self.key}: ${self.amount_usd}"
