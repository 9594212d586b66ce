"""Circuit breakers of models, shared by all workers."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, When
from django.db.models.functions import Greatest, Now

from tasks.models.run import Run, RunStatus


class ModelCircuitQuerySet(models.QuerySet["ModelCircuit"]):
    def open(self) -> Self:
        """Filter circuits of models that are away."""
        return self.filter(opened_at__isnull=False)

    def of(self, provider: Any, model: Any) -> Self:
        """Filter the circuit of one model, by values or expressions."""
        return self.filter(provider=provider, model=model)

    def with_next_try(self) -> Self:
        """Annotate `next_try_at`, the time of the model's next probe. Null if it answers."""
        return self.annotate(next_try_at=Case(When(opened_at__isnull=False, then=Greatest("retry_at", "probe_until"))))

    def due(self) -> Self:
        """Filter open circuits that may be probed now and that no run is probing."""
        probing = Run.objects.filter(pk=OuterRef("probe_run"), status__in=(RunStatus.QUEUED, RunStatus.RUNNING))
        is_free = Q(probe_until__isnull=True) | Q(probe_until__lt=Now()) | ~Exists(probing)
        return self.open().filter(is_free, retry_at__lte=Now())


class ModelCircuit(models.Model):
    """Circuit breaker of one model at one provider. While it is open, calls wait, and one run at a time probes."""

    provider = models.CharField(max_length=20)
    """Name of the runtime that calls it."""
    model = models.CharField(max_length=80)
    failures = models.PositiveIntegerField(default=0)
    """Number of failed calls since the last success."""
    failing_since = models.DateTimeField(null=True, blank=True)
    last_run = models.UUIDField(null=True, blank=True)
    """Run of the newest failure."""
    error = models.CharField(max_length=32, blank=True)
    """Kind of the newest failure, as in `ModelError.kind`."""
    detail = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    """Start of the outage; null while the circuit is closed."""
    closed_at = models.DateTimeField(null=True, blank=True)
    """End of the newest outage."""
    retry_at = models.DateTimeField(null=True, blank=True)
    """Earliest time of the next probe."""
    probes = models.PositiveIntegerField(default=0)
    """Number of failed probes in this outage."""
    probe_run = models.UUIDField(null=True, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)
    """Time until which only `probe_run` may call the model; afterwards another run may."""

    objects = ModelCircuitQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="circuit_once_per_model")]

    def __str__(self) -> str:
        return f"{self.model} ({self.provider})"

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None
