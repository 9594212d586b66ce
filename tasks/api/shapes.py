"""Output serializers of tasks, runs, requests and artifacts."""

from __future__ import annotations

from functools import cache
from typing import Any

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.rest.serializers import shown
from agents.runtimes import get_runtime
from tasks.models import TERMINAL, WAITS_BY_ITSELF, Artifact, HumanRequest, RequestKind, Run, RunStatus, Task, WaitKind
from tasks.variables import TYPES

WAITS = {WaitKind.TIMER: "Waits a moment", WaitKind.MODEL: "Waiting for the model"}


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ObjectField(serializers.JSONField):
    """JSON object that is stored unchanged."""


@extend_schema_field({"type": "array", "items": {"type": "string"}})
class StringsField(serializers.JSONField):
    """List of strings that is stored unchanged."""


@cache
def badge_of(runtime: str) -> str:
    """Return the badge of work that no real model made ("Demo model"), or ""."""
    return get_runtime(runtime).badge


@extend_schema_serializer(component_name="RunAgent")
class RunAgentSerializer(serializers.Serializer[Run]):
    """Agent of the run, with the version that the run keeps."""

    id = serializers.UUIDField(source="agent.id")
    name = serializers.CharField(source="agent.name")
    version = serializers.IntegerField(source="version.number")


@extend_schema_serializer(component_name="RunTask")
class RunTaskSerializer(serializers.Serializer[Task]):
    id = serializers.UUIDField()
    name = serializers.CharField()


@extend_schema_serializer(component_name="RunUsage")
class RunUsageSerializer(serializers.Serializer[Run]):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    cost_usd = serializers.DecimalField(max_digits=14, decimal_places=6)


@extend_schema_serializer(component_name="RunLimits")
class RunLimitsSerializer(serializers.Serializer[Run]):
    max_cost_usd = serializers.DecimalField(max_digits=10, decimal_places=2)
    max_turns = serializers.IntegerField()
    timeout_s = serializers.IntegerField()


@extend_schema_serializer(component_name="RunError")
class RunErrorSerializer(serializers.Serializer[Run]):
    code = serializers.CharField(source="error_code")
    detail = serializers.CharField(source="error_detail")


@extend_schema_serializer(component_name="RunProgress")
class RunProgressSerializer(serializers.Serializer[Any]):
    done = serializers.FloatField()
    total = serializers.FloatField()
    label = serializers.CharField()  # type: ignore[assignment]
    eta_s = serializers.FloatField(allow_null=True)


@extend_schema_serializer(component_name="RunAttachment")
class RunAttachmentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="file.id")
    name = serializers.CharField(help_text="The name under which the agent finds it.")
    size = serializers.IntegerField(source="file.size")


@extend_schema_serializer(component_name="HumanRequest")
class HumanRequestSerializer(serializers.ModelSerializer[HumanRequest]):
    run = serializers.UUIDField(source="run_id")
    choices = StringsField(allow_null=True)
    schema = ObjectField(allow_null=True, help_text="JSON Schema of the answer.")
    tool = serializers.SerializerMethodField()
    digest = serializers.SerializerMethodField()
    arguments = ObjectField(allow_null=True)
    answered_by = serializers.CharField(source="answered_by.display_name", allow_null=True, default=None)
    answer = ObjectField(allow_null=True, help_text="`value` of a question; else `decision` and what it takes.")

    class Meta:
        model = HumanRequest
        fields = [
            *("id", "run", "kind", "status", "title", "prompt", "choices", "schema", "tool", "arguments", "digest"),
            *("asked_at", "expires_at", "answered_at", "answered_by", "answer"),
        ]
        read_only_fields = fields

    def get_tool(self, asked: HumanRequest) -> str | None:
        return asked.tool or None

    def get_digest(self, asked: HumanRequest) -> str | None:
        return asked.digest or None


@extend_schema_serializer(component_name="WaitingOn")
class WaitingOnSerializer(HumanRequestSerializer):
    """Open request of a run; an automatic wait has only `kind`, `title` and `retry_at`.

    `timer`: the file store is away. `model`: the model does not answer.
    """

    id = serializers.UUIDField(allow_null=True)
    kind = serializers.ChoiceField(
        choices=[*RequestKind.choices, *((kind.value, kind.label) for kind in WAITS_BY_ITSELF)]
    )
    retry_at = serializers.DateTimeField(allow_null=True, default=None, help_text="When it is tried again by itself.")

    class Meta(HumanRequestSerializer.Meta):
        fields = [*HumanRequestSerializer.Meta.fields, "retry_at"]
        read_only_fields = fields


@extend_schema_serializer(component_name="Run")
class RunSerializer(serializers.ModelSerializer[Run]):
    agent = RunAgentSerializer(source="*")
    task = RunTaskSerializer(allow_null=True)
    conversation = serializers.SerializerMethodField(help_text="null: not a chat reply.")
    model = serializers.CharField(source="version.model")
    badge = serializers.SerializerMethodField(help_text='"Demo model" when no real model did the work, else empty.')
    attachments = RunAttachmentSerializer(source="inputs", many=True)
    variables = serializers.DictField(child=serializers.CharField())
    output_schema = ObjectField(allow_null=True)
    required_artifacts = serializers.ListField(child=serializers.CharField())
    output = serializers.JSONField(allow_null=True, help_text="Text, or any JSON that fits `output_schema`.")
    error = serializers.SerializerMethodField()
    waiting_on = serializers.SerializerMethodField()
    progress = RunProgressSerializer(allow_null=True)
    usage = RunUsageSerializer(source="*")
    limits = RunLimitsSerializer(source="*")
    forked_from = serializers.UUIDField(source="forked_from_id", allow_null=True)
    retry_of = serializers.UUIDField(source="retry_of_id", allow_null=True)
    created_by = serializers.CharField(source="created_by.display_name", allow_null=True, default=None)
    metadata = ObjectField()

    class Meta:
        model = Run
        fields = [
            *(
                "id",
                "kind",
                "status",
                "title",
                "agent",
                "task",
                "conversation",
                "model",
                "badge",
                "prompt",
                "variables",
            ),
            *("attachments", "review", "output_schema", "required_artifacts", "output", "error", "attempt"),
            *("waiting_on", "progress", "usage", "limits", "priority", "created_by", "created_at", "start_at"),
            *("started_at", "finished_at", "active_s", "last_seq", "forked_from", "retry_of", "metadata"),
        ]
        read_only_fields = fields

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_conversation(self, run: Run) -> None:
        return None

    def get_badge(self, run: Run) -> str:
        return badge_of(run.version.runtime)

    @extend_schema_field(RunErrorSerializer(allow_null=True))
    def get_error(self, run: Run) -> dict[str, str] | None:
        return {"code": run.error_code, "detail": run.error_detail} if run.error_code else None

    @extend_schema_field(WaitingOnSerializer(allow_null=True))
    def get_waiting_on(self, run: Run) -> Any:
        asked: list[HumanRequest] = run.open_requests  # type: ignore[attr-defined]
        if run.status in TERMINAL:
            return None
        if asked:
            return shown(WaitingOnSerializer, asked[0])
        if run.status == RunStatus.WAITING and run.waiting_kind in WAITS_BY_ITSELF:
            wait: Any = HumanRequest(
                id=None,
                run=run,
                kind=run.waiting_kind,
                title=WAITS[WaitKind(run.waiting_kind)],
                asked_at=run.status_changed_at,
                expires_at=run.start_at if run.waiting_kind == WaitKind.TIMER else None,
            )
            wait.retry_at = run.retry_at  # type: ignore[attr-defined]
            return shown(WaitingOnSerializer, wait)
        return None


@extend_schema_serializer(component_name="RunEffect")
class EffectSerializer(serializers.Serializer[Any]):
    """Call of a run that changed something outside."""

    step = serializers.IntegerField()
    tool = serializers.CharField()
    title = serializers.CharField()
    headline = serializers.CharField()
    at = serializers.DateTimeField()
    is_certain = serializers.BooleanField(help_text="false: nobody knows whether it happened.")


@extend_schema_serializer(component_name="BulkResult")
class BulkResultSerializer(serializers.Serializer[Any]):
    run = serializers.UUIDField()
    outcome = serializers.ChoiceField(
        choices=["cancelled", "already_ended", "started", "continued", "would_repeat_effects", "refused"],
        help_text="refused: not ended yet, did not fail or cannot go on, or its agent takes no work now.",
    )
    new_run = serializers.UUIDField(allow_null=True, default=None)
    effects = EffectSerializer(many=True, help_text="What a new run may do again, with `would_repeat_effects`.")


@extend_schema_serializer(component_name="BulkResults")
class BulkResultsSerializer(serializers.Serializer[Any]):
    results = BulkResultSerializer(many=True)


def new_run(run: Run) -> dict[str, Any]:
    """Return the shape of a run that this transaction created, without a query.

    Its relations are loaded, and it has no requests.
    """
    run.open_requests = []  # type: ignore[attr-defined]
    return shown(RunSerializer, run)


@extend_schema_serializer(component_name="Artifact")
class ArtifactSerializer(serializers.ModelSerializer[Artifact]):
    run = serializers.UUIDField(source="run_id")
    name = serializers.CharField(source="file.name")
    size = serializers.IntegerField(source="file.size")
    sha256 = serializers.CharField(source="file.sha256")
    content_type = serializers.CharField(source="file.content_type")
    badge = serializers.SerializerMethodField(help_text='"Demo model" when no real model did the work, else empty.')

    class Meta:
        model = Artifact
        fields = [
            *("id", "run", "path", "name", "size", "sha256", "content_type", "version", "badge", "created_at"),
            "updated_at",
        ]
        read_only_fields = fields

    def get_badge(self, artifact: Artifact) -> str:
        return badge_of(artifact.run.version.runtime)


@extend_schema_serializer(component_name="TaskVariable")
class TaskVariableSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(default="")  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=TYPES)
    choices = serializers.ListField(child=serializers.CharField(), allow_null=True, default=None)
    default = serializers.CharField(allow_null=True, default=None)
    required = serializers.BooleanField(default=True)  # type: ignore[assignment]
    help = serializers.CharField(default="")


@extend_schema_serializer(component_name="TaskAgent")
class TaskAgentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


@extend_schema_serializer(component_name="TaskLimits")
class TaskLimitsSerializer(serializers.Serializer[Task]):
    """Limits of a task's runs; null takes the agent's."""

    max_cost_usd = serializers.DecimalField(max_digits=10, decimal_places=2, allow_null=True)
    max_turns = serializers.IntegerField(allow_null=True)
    timeout_s = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(component_name="TaskLastRun")
class TaskLastRunSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    status = serializers.ChoiceField(choices=RunStatus.choices)
    created_at = serializers.DateTimeField()


@extend_schema_serializer(component_name="Task")
class TaskSerializer(serializers.ModelSerializer[Task]):
    agent = TaskAgentSerializer()
    variables = TaskVariableSerializer(many=True)
    limits = TaskLimitsSerializer(source="*")
    output_schema = ObjectField(allow_null=True)
    required_artifacts = serializers.ListField(child=serializers.CharField())
    last_run = TaskLastRunSerializer(allow_null=True)

    class Meta:
        model = Task
        fields = [
            *("id", "name", "agent", "prompt", "variables", "review", "output_schema", "required_artifacts", "limits"),
            *("last_run", "created_at", "updated_at"),
        ]
        read_only_fields = fields
