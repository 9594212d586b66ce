"""Outages of models, as all workers see them."""

from __future__ import annotations

from typing import Any, Self

from django.db import models
from django.db.models import Case, Exists, OuterRef, Q, When
from django.db.models.functions import Greatest, Now

from tasks.models.run import Run, RunStatus


class ModelCircuitQuerySet(models.QuerySet["ModelCircuit"]):
    def open(self) -> Self:
        """Those of models that are away."""
        return self.filter(opened_at__isnull=False)

    def of(self, provider: Any, model: Any) -> Self:
        """The circuit of one model, by values or expressions."""
        return self.filter(provider=provider, model=model)

    def with_next_try(self) -> Self:
        """Each with `next_try_at`, when the model is asked again. NULL: it answers."""
        return self.annotate(next_try_at=Case(When(opened_at__isnull=False, then=Greatest("retry_at", "probe_until"))))

    def due(self) -> Self:
        """Open ones that may be probed now and that no run is probing."""
        probing = Run.objects.filter(pk=OuterRef("probe_run"), status__in=(RunStatus.QUEUED, RunStatus.RUNNING))
        is_free = Q(probe_until__isnull=True) | Q(probe_until__lt=Now()) | ~Exists(probing)
        return self.open().filter(is_free, retry_at__lte=Now())


class ModelCircuit(models.Model):
    """The circuit breaker of one model at one provider. Open: calls wait, and one run at a time probes."""

    provider = models.CharField(max_length=20)
    """The name of the runtime that calls it."""
    model = models.CharField(max_length=80)
    failures = models.PositiveIntegerField(default=0)
    """Failed calls since the last answer."""
    failing_since = models.DateTimeField(null=True, blank=True)
    last_run = models.UUIDField(null=True, blank=True)
    """The run of the newest failure."""
    error = models.CharField(max_length=32, blank=True)
    """The kind of the newest failure, as in `ModelError.kind`."""
    detail = models.TextField(blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    """None: closed."""
    closed_at = models.DateTimeField(null=True, blank=True)
    """When the newest outage ended."""
    retry_at = models.DateTimeField(null=True, blank=True)
    """No probe before then."""
    probes = models.PositiveIntegerField(default=0)
    """Probes that failed in this outage."""
    probe_run = models.UUIDField(null=True, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)
    """The run that may call the model now; after `probe_until` another one may."""

    objects = ModelCircuitQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["provider", "model"], name="circuit_once_per_model")]

    def __str__(self) -> str:
        return f"{self.model} ({self.provider})"

    @property
    def is_open(self) -> bool:
        return self.opened_at is not None
