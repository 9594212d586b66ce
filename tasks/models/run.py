"""Runs of agents."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self, TypeVar

from django.db import models
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce, Now, NullIf
from django.utils import timezone

from accounts.errors import InvalidTransition
from accounts.ids import first_id_at, uuid7
from accounts.models import Membership, Team, TeamScopedModel, User
from agents.models import Agent, AgentVersion, OfAgentQuerySet
from storage.models import StoredFile
from tasks.models.task import Task


class RunKind(models.TextChoices):
    TASK = "task"
    DIRECT = "direct"
    DEMO = "demo"
    REPLAY = "replay"


class RunOrigin(models.TextChoices):
    """Door through which a run was asked for. That it repeats another one is said by `retry_of` and `forked_from`."""

    PAGE = "page", "on a page"
    API = "api", "over the API"
    TERMINAL = "terminal", "in the terminal"
    SEED = "seed", "as an example"


class RunStatus(models.TextChoices):
    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    NEEDS_REVIEW = "needs_review"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"


S = RunStatus
LIVE = (S.SCHEDULED, S.QUEUED, S.RUNNING, S.WAITING, S.NEEDS_REVIEW)
TERMINAL = (S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED, S.REJECTED)
TRANSITIONS: dict[RunStatus, tuple[RunStatus, ...]] = {
    S.SCHEDULED: (S.QUEUED, S.CANCELLED, S.FAILED, S.EXPIRED),
    S.QUEUED: (S.RUNNING, S.CANCELLED, S.FAILED, S.EXPIRED),
    # running → queued is a hand-over: the worker stops and another one continues
    S.RUNNING: (S.QUEUED, S.WAITING, S.NEEDS_REVIEW, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED),
    S.WAITING: (S.QUEUED, S.CANCELLED, S.FAILED, S.EXPIRED),
    S.NEEDS_REVIEW: (S.SUCCEEDED, S.REJECTED, S.QUEUED, S.CANCELLED, S.FAILED, S.EXPIRED),
    S.FAILED: (S.QUEUED,),  # a person continues it
}


class WaitKind(models.TextChoices):
    QUESTION = "question"
    APPROVAL = "approval"
    BUDGET = "budget"
    TIMER = "timer"
    MODEL = "model"
    UNKNOWN_EFFECT = "unknown_effect"
    NO_PROGRESS = "no_progress"


WAITS_BY_ITSELF = (WaitKind.TIMER, WaitKind.MODEL)
"""Kinds of waits that no person has to end."""


class ErrorCode(models.TextChoices):
    MODEL_ERROR = "model_error"
    MODEL_REFUSED = "model_refused"
    TOOL_ERROR = "tool_error"
    TIMEOUT = "timeout"
    TURN_LIMIT = "turn_limit"
    BUDGET_EXHAUSTED = "budget_exhausted"
    NO_PROGRESS = "no_progress"
    BAD_OUTPUT = "bad_output"
    NO_RESULT = "no_result"
    WORKER_LOST = "worker_lost"
    NO_APPROVER = "no_approver"
    AGENT_REMOVED = "agent_removed"
    INTERNAL = "internal"


ENDS_BADLY = (S.FAILED, S.EXPIRED)
UNNOTIFIED = Q(notified_at=None) & (Q(status__in=ENDS_BADLY) | Q(status=S.SUCCEEDED, notify_on_success=True))
"""Condition of runs whose end must still be notified: few, so the partial index costs the others nothing."""


M = TypeVar("M", bound=models.Model, covariant=True)


class OfRunQuerySet(OfAgentQuerySet[M]):
    agent_path = "run__agent"


class RunQuerySet(OfAgentQuerySet["Run"]):
    def live(self) -> Self:
        return self.filter(status__in=LIVE)

    def stalled(self) -> Self:
        """Filter runs whose worker stopped renewing its lease."""
        return self.filter(status=S.RUNNING, lease_expires_at__lt=Now())

    def due(self, *kinds: WaitKind) -> Self:
        """Filter runs whose waiting time is over."""
        return self.filter(status=S.WAITING, waiting_kind__in=kinds, start_at__lte=Now())

    def with_asked_model(self) -> Self:
        """Annotate `provider` and `asked_model`, which name the run's circuit."""
        asked = Coalesce(NullIf("model_override", Value("")), "version__model")
        return self.annotate(provider=F("version__runtime"), asked_model=asked)

    def since(self, moment: datetime) -> Self:
        """Filter runs that were created then or later, whenever they start.

        Uses the primary key, which sorts by time.
        """
        return self.filter(pk__gte=first_id_at(moment))

    def with_people_words(self) -> Self:
        """Join the relations that every page and response shows beside the run."""
        return self.select_related("agent", "version", "task", "created_by")


class Run(TeamScopedModel):
    """Execution of an agent."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=12, choices=RunKind.choices, default=RunKind.DIRECT)
    # Every start, claim and end of a run writes to each index; `*_newest` and the partial ones also serve these keys.
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="+", db_index=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="runs", db_index=False)
    version = models.ForeignKey(AgentVersion, on_delete=models.PROTECT, related_name="+")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.PROTECT, related_name="runs", db_index=False)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    origin = models.CharField(max_length=10, choices=RunOrigin.choices, blank=True, default="", db_default="")
    """Empty where it is not known: older versions did not write it down."""
    parent = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="children", db_index=False
    )
    """The run of the same team that started this one; a cancel of it reaches this one."""

    title = models.CharField(max_length=160)
    prompt = models.TextField()
    """Text that the agent reads, with variables filled in."""
    variables = models.JSONField(default=dict, blank=True)
    review = models.BooleanField(default=False)
    output_schema = models.JSONField(null=True, blank=True)
    required_artifacts = models.JSONField(default=list, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    webhook_url = models.URLField(blank=True)
    max_cost_usd = models.DecimalField(max_digits=10, decimal_places=2)
    max_turns = models.PositiveIntegerField()
    timeout_s = models.PositiveIntegerField()
    """Seconds of active time; waiting for a person does not count."""

    status = models.CharField(max_length=14, choices=RunStatus.choices, default=RunStatus.QUEUED)
    status_changed_at = models.DateTimeField(default=timezone.now)
    waiting_kind = models.CharField(max_length=16, choices=WaitKind.choices, blank=True)
    priority = models.SmallIntegerField(default=0)
    queued_at = models.DateTimeField(null=True, blank=True)
    start_at = models.DateTimeField(null=True, blank=True)
    """Earliest start: a scheduled one, or the next try while the model or the file store is away."""
    queue_expires_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    notify_on_success = models.BooleanField(default=False)
    """True if the person who started the run wants to hear of its success too."""
    notified_at = models.DateTimeField(null=True, blank=True)
    """Time at which people were notified of its end. Null for the many runs that need no notification."""
    active_s = models.FloatField(default=0)
    output = models.JSONField(null=True, blank=True)
    """Result: a text, or a value of `output_schema`."""
    error_code = models.CharField(max_length=20, choices=ErrorCode.choices, blank=True)
    error_detail = models.TextField(blank=True)
    progress = models.JSONField(null=True, blank=True)
    last_seq = models.PositiveIntegerField(default=0)
    last_message_seq = models.PositiveIntegerField(default=0)
    """Event of the newest message that a person sent to the live run; 0 without any."""
    attempt = models.PositiveIntegerField(default=1)
    turns = models.PositiveIntegerField(default=0)
    continued_at = models.DateTimeField(null=True, blank=True)
    """Time at which a person last continued the failed run."""
    continued_at_step = models.PositiveIntegerField(default=0, db_default=0)
    """Last step at that time. Corrections, refusals and loops before it no longer count against the run."""
    active_s_before = models.FloatField(default=0, db_default=0)
    turns_before = models.PositiveIntegerField(default=0, db_default=0)
    """Turns and active time used before the continuation.

    Limits of time and turns count from there, the limit of money from the start.
    """
    retry_of = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="retries", db_index=False
    )
    model_override = models.CharField(max_length=80, blank=True)
    """Model of a fork, in place of its version's."""
    forked_from = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="forks", db_index=False
    )
    forked_at_step = models.PositiveIntegerField(null=True, blank=True)
    """Last step that was copied from `forked_from`."""

    input_tokens = models.PositiveBigIntegerField(default=0)
    output_tokens = models.PositiveBigIntegerField(default=0)
    cache_read_tokens = models.PositiveBigIntegerField(default=0)
    cache_write_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = models.DecimalField(max_digits=14, decimal_places=6, default=0)

    worker = models.CharField(max_length=80, blank=True)
    epoch = models.PositiveIntegerField(default=0)
    """Number of the present owner.

    Every write of a worker names the epoch that it claimed; an older one changes nothing.
    """
    commit_no = models.PositiveIntegerField(default=0)
    """Number of the owner's writes.

    A write whose answer was lost is repeated under its number and takes effect once.
    """
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    recoveries = models.PositiveIntegerField(default=0)

    objects = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=TERMINAL, finished_at__isnull=False)
                | (~Q(status__in=TERMINAL) & Q(finished_at__isnull=True)),
                name="run_finished_at_iff_terminal",
            ),
            models.CheckConstraint(
                condition=Q(status="running", lease_expires_at__isnull=False)
                | (~Q(status="running") & Q(lease_expires_at__isnull=True)),
                name="run_lease_iff_running",
            ),
        ]
        indexes = [
            models.Index(fields=["team", "-id"], name="run_team_newest"),
            models.Index(fields=["agent", "-id"], name="run_agent_newest"),
            models.Index(fields=["task", "-id"], name="run_task_newest"),
            models.Index(
                F("team"), F("priority").desc(), F("queued_at"), condition=Q(status="queued"), name="run_queue"
            ),
            models.Index(fields=["lease_expires_at"], condition=Q(status="running"), name="run_leases"),
            models.Index(fields=["team", "status"], condition=~Q(status__in=TERMINAL), name="run_team_live"),
            models.Index(fields=["agent"], condition=Q(status="running"), name="run_agent_running"),
            models.Index(fields=["start_at"], condition=Q(status="scheduled"), name="run_scheduled"),
            models.Index(
                fields=["waiting_kind", "start_at"],
                condition=Q(status="waiting", waiting_kind__in=("timer", "model")),
                name="run_waits_by_itself",
            ),
            models.Index(fields=["finished_at"], condition=UNNOTIFIED, name="run_unnotified"),
            models.Index(fields=["parent"], condition=Q(parent__isnull=False), name="run_children"),
            models.Index(fields=["retry_of"], condition=Q(retry_of__isnull=False), name="run_retries"),
            models.Index(fields=["forked_from"], condition=Q(forked_from__isnull=False), name="run_forks"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_terminal(self) -> bool:
        return self.status in TERMINAL

    def move_to(self, status: RunStatus, **also: Any) -> None:
        """Change the status.

        Raises InvalidTransition if another process moved it first. Leaving `running` ends the worker's ownership: its
        lease goes and its epoch no longer matches.
        """
        changes: dict[str, Any] = {"status": status, "status_changed_at": Now(), "lease_expires_at": None}
        changes |= {"waiting_kind": "", "epoch": F("epoch") + 1}
        changes["finished_at"] = Now() if status in TERMINAL else None
        if status == RunStatus.QUEUED:
            changes["queued_at"] = Now()
        changes |= also
        allowed_from = [old for old, new in TRANSITIONS.items() if status in new]
        if not Run.objects.filter(pk=self.pk, status__in=allowed_from).update(**changes):
            raise InvalidTransition(f"This run cannot become {status.replace('_', ' ')} any more.")
        self.refresh_from_db()


class RunInput(models.Model):
    """Input file of a run. It lies in the run's workspace under `name`."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inputs")
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=255)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "name"], name="run_input_name_once")]

    def __str__(self) -> str:
        return self.name


class Recording(models.Model):
    """Recorded result of another run's step. A fork or a replay uses it instead of making the call."""

    SAID = "said"
    """Marker in place of a digest: text for the model, {"text", "message"}."""
    REUSED = "Reused: "

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="recordings", db_index=False)
    position = models.PositiveIntegerField()
    digest = models.CharField(max_length=80, blank=True)
    """Digest of the exact tool call that the model asked for; empty for a model's response."""
    result = models.JSONField()
    artifacts = models.JSONField(default=list)
    """[{"path", "file"}] that the call delivered."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="recording_position_once")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.position}"


class Artifact(TeamScopedModel):
    """File that a run delivered. The row appears only when its object is complete; a newer version replaces it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="artifacts")
    path = models.CharField(max_length=255)
    file = models.ForeignKey(StoredFile, on_delete=models.PROTECT, related_name="+")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OfRunQuerySet["Artifact"].as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "path"], name="artifact_path_once_per_run")]

    def __str__(self) -> str:
        return self.path


class RunShareQuerySet(OfRunQuerySet["RunShare"]):
    def open(self) -> Self:
        """Filter links that are not revoked. Annotates `is_of_member`: True if the maker is still in the team."""
        return self.filter(revoked_at=None).annotate(is_of_member=self._maker_is_in())

    def of_leavers(self) -> Self:
        return self.exclude(self._maker_is_in())

    @staticmethod
    def _maker_is_in() -> Exists:
        return Exists(Membership.objects.filter(team=OuterRef("team"), user=OuterRef("created_by")))


class RunShare(TeamScopedModel):
    """Read-only link to one run, for anyone who has it, until it is revoked."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="shares")
    token_sha256 = models.CharField(max_length=64, unique=True)
    token_hint = models.CharField(max_length=8)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = RunShareQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.run} …{self.token_hint}"
