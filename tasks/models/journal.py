"""Records of a run: events for people, steps for resuming."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from tasks.models.run import Run


class RunEvent(models.Model):
    """Typed, numbered, append-only event. `(run, seq)` is unique; seq starts at 1 and has no gaps."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="events", db_index=False)
    seq = models.PositiveIntegerField()
    type = models.CharField(max_length=24)
    at = models.DateTimeField(default=timezone.now)
    data = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq_once_per_run")]

    def __str__(self) -> str:
        return f"{self.seq} {self.type}"


class StepKind(models.TextChoices):
    MODEL = "model"
    TOOL = "tool"
    INPUT = "input"
    """Text from a person for the model: a message, or a reviewer's comment."""


class StepStatus(models.TextChoices):
    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Step(models.Model):
    """Model call or tool call, journaled before and after it. A crashed run resumes from its steps."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="steps", db_index=False)
    index = models.PositiveIntegerField()
    """Place in the run, from 1."""
    kind = models.CharField(max_length=6, choices=StepKind.choices)
    status = models.CharField(max_length=8, choices=StepStatus.choices)
    attempt = models.PositiveIntegerField(default=1)
    epoch = models.PositiveIntegerField(default=0)
    call_id = models.CharField(max_length=80, blank=True)
    """Id that the model gave the tool call."""
    tool = models.CharField(max_length=80, blank=True)
    request = models.JSONField(default=dict)
    """Tool: the arguments. Model: model name and sizes of the request. Input: {"text"}."""
    spec = models.JSONField(null=True)
    """Tool: the `tools.spec.SpecRecord` of the call. None: no such tool, or a row of an older version."""
    result = models.JSONField(null=True)
    """Tool: {"content", "is_error", "summary"}. Model: {"content": [blocks], "stop", "message_id", …}."""
    created_at = models.DateTimeField(default=timezone.now)
    effect_at = models.DateTimeField(null=True, db_default=Now())
    """Tool: time since which this attempt may have changed something outside.

    Null: it has not, so it may be repeated.
    """
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "index"], name="step_index_once_per_run")]

    def __str__(self) -> str:
        return f"{self.index} {self.kind} {self.tool} {self.status}"
