"""State of the periodic jobs, one row each."""

from __future__ import annotations

from datetime import timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone


class PeriodicJobQuerySet(models.QuerySet["PeriodicJob"]):
    def due(self, within: timedelta = timedelta(0)) -> Self:
        """Return those that should start by `within` from now and that no process is running."""
        is_free = Q(locked_until=None) | Q(locked_until__lt=Now())
        return self.filter(is_free, due_at__lte=Now() + within)


class PeriodicJob(models.Model):
    """Schedule and last result of a job, and the process that runs it now. All times are the database's."""

    name = models.CharField(max_length=80, primary_key=True)
    due_at = models.DateTimeField(default=timezone.now, db_default=Now())
    """Time of the next start. It stays in the past while the job runs, so that one that hangs shows as late."""
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    succeeded_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    """Failures in a row."""
    error = models.CharField(max_length=300, blank=True)
    """Error of the last of these failures."""
    locked_until = models.DateTimeField(null=True)
    """Lease of the process that runs it, which renews it for as long as the job takes."""
    claim = models.UUIDField(null=True)
    """Name of that lease. Only its holder writes how the job ended."""

    objects = PeriodicJobQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name
