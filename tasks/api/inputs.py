"""Input serializers of tasks and runs."""

from __future__ import annotations

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from accounts.rest.fields import TeamRow, TeamRows
from accounts.rest.serializers import StrictSerializer
from agents.models import Agent
from storage.models import StoredFile
from tasks.models import Task
from tasks.services.run_request import MAX_ATTACHMENTS, MAX_PROMPT
from tasks.services.runs import PRIORITIES
from tasks.services.steering import MAX_MESSAGE
from tasks.variables import MAX_TEXT, TYPES

MAX_METADATA = 10_000
"""Characters of JSON."""
PATH = r"^(?!/)(?!.*(?:^|/)\.\.?(?:/|$))[^\x00-\x1f\\]{1,255}$"


def present_agents() -> Any:
    return Agent.objects.select_related("version").exclude(status="removed")


@extend_schema_field({"type": "object", "additionalProperties": {}})
class JSONObject(serializers.JSONField):
    """JSON object of bounded size."""

    default_error_messages = {
        "not_an_object": "Send a JSON object.",
        "too_large": f"At most {MAX_METADATA:,} characters of JSON.",
    }

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            self.fail("not_an_object")
        if len(json.dumps(value)) > MAX_METADATA:
            self.fail("too_large")
        return value


@extend_schema_field({"type": "object", "additionalProperties": {}})
class SchemaField(serializers.JSONField):
    """JSON Schema; the service says what is wrong with it."""

    default_error_messages = {"not_an_object": "A schema is a JSON object."}

    def to_internal_value(self, data: Any) -> Any:
        value = super().to_internal_value(data)
        if not isinstance(value, dict):
            self.fail("not_an_object")
        return value


class LimitsInput(StrictSerializer):
    """Limits of a run; null takes the agent's. Higher ones than the agent's have no effect."""

    max_cost_usd = serializers.DecimalField(10, 2, required=False, allow_null=True, min_value=0, max_value=10_000)
    max_turns = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=500)
    timeout_s = serializers.IntegerField(required=False, allow_null=True, min_value=10, max_value=24 * 3600)


class NotYetField(serializers.Field[Any, Any, Any, Any]):
    """Field of the contract that is not implemented yet. A value is refused, never ignored."""

    default_error_messages = {"not_supported": "Outgoing webhooks are not built yet: read /runs/ID/events/ or stream/."}

    def to_internal_value(self, data: Any) -> Any:
        if data:
            self.fail("not_supported")
        return ""


class StartInput(StrictSerializer):
    """Fields that both ways of starting a run share."""

    attachments = TeamRows(rows=StoredFile.objects.all, required=False, max_length=MAX_ATTACHMENTS)
    limits = LimitsInput(required=False)
    output_schema = SchemaField(required=False, allow_null=True)
    required_artifacts = serializers.ListField(
        child=serializers.RegexField(PATH), required=False, allow_null=True, max_length=50
    )
    review = serializers.BooleanField(required=False, allow_null=True)
    start_at = serializers.DateTimeField(required=False, allow_null=True, help_text="What has passed means at once.")
    priority = serializers.IntegerField(
        required=False,
        min_value=PRIORITIES[0],
        max_value=PRIORITIES[1],
        help_text="0 if empty. Of the team's waiting runs the highest goes first.",
    )
    metadata = JSONObject(required=False)
    webhook_url = extend_schema_field({"type": "string", "maxLength": 0})(NotYetField)(
        required=False, help_text="Refused until there are outgoing webhooks."
    )


class VariablesField(serializers.DictField):
    """Values by the names of the task's variables."""

    child = serializers.CharField(max_length=MAX_TEXT, allow_blank=True, allow_null=True, trim_whitespace=False)


class TaskRunInput(StartInput):
    needs_body = False
    variables = VariablesField(required=False)


class NewRun(TaskRunInput):
    """Run of a task with its variables, or of an agent with a prompt."""

    needs_body = True

    agent = TeamRow(rows=present_agents, required=False)
    task = TeamRow(rows=lambda: Task.objects.present().select_related("agent__version"), required=False)
    prompt = serializers.CharField(max_length=MAX_PROMPT, required=False, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("agent" in attrs) == ("task" in attrs):
            raise serializers.ValidationError({"agent": ["Name either an agent or a task."]}, code="invalid")
        wrong = "prompt" if "task" in attrs else "variables"
        if wrong in attrs:
            said = "A task has its own prompt." if wrong == "prompt" else "Only a task has variables."
            raise serializers.ValidationError({wrong: [said]}, code="invalid")
        if "agent" in attrs and "prompt" not in attrs:
            raise serializers.ValidationError({"prompt": ["Say what the agent should do."]}, code="required")
        return attrs


class ReasonInput(StrictSerializer):
    needs_body = False
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ManyRunsInput(StrictSerializer):
    runs = serializers.ListField(child=serializers.UUIDField(), min_length=1, max_length=200)


class RetryInput(StrictSerializer):
    needs_body = False
    repeat_effects = serializers.BooleanField(
        required=False, help_text="Start it although it may do again what the old run did outside."
    )


class ManyRetriesInput(ManyRunsInput, RetryInput):
    """Runs that are to be retried."""

    needs_body = True


class ManyRunsReasonInput(ManyRunsInput):
    reason = serializers.CharField(max_length=300, required=False, allow_blank=True)


class ForkInput(StrictSerializer):
    needs_body = False
    from_seq = serializers.IntegerField(required=False, min_value=0, max_value=2_147_483_647)
    prompt = serializers.CharField(max_length=MAX_PROMPT, required=False, trim_whitespace=False)
    model = serializers.CharField(max_length=80, required=False, help_text="Answers from there on.")
    tool_result = serializers.CharField(
        max_length=MAX_PROMPT,
        required=False,
        allow_blank=True,
        trim_whitespace=False,
        help_text="Takes the place of the last kept tool result.",
    )
    reuse_tools = serializers.BooleanField(
        required=False, help_text="Recorded tool results stand in until the first call that differs. The default."
    )
    repeat_effects = serializers.BooleanField(
        required=False, help_text="Start it although it may do again what the old run did outside."
    )


class MessageInput(StrictSerializer):
    text = serializers.CharField(max_length=MAX_MESSAGE)


class ReviewInput(StrictSerializer):
    decision = serializers.ChoiceField(choices=["approve", "reject", "revise"])
    comment = serializers.CharField(max_length=20_000, required=False, allow_blank=True)


class AnswerInput(StrictSerializer):
    """Answer to a request: `value` for a question, `decision` with its fields for all others."""

    value = serializers.JSONField(required=False, help_text="Text, or any JSON that fits the question's `schema`.")
    decision = serializers.CharField(
        max_length=20, required=False, help_text="Which ones there are depends on the `kind` of the request."
    )
    digest = serializers.CharField(max_length=80, required=False, help_text="Of the approval that was shown.")
    arguments = serializers.DictField(required=False, help_text="With the decision edit.")
    comment = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    max_cost_usd = serializers.DecimalField(10, 2, required=False, help_text="With the decision raise.")


class VariableInput(StrictSerializer):
    name = serializers.RegexField(r"^[a-z][a-z0-9_]{0,39}$")
    label = serializers.CharField(max_length=80, required=False, allow_blank=True)  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=TYPES)
    choices = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, allow_null=True, max_length=100
    )
    default = serializers.CharField(max_length=MAX_TEXT, required=False, allow_null=True, allow_blank=True)
    required = serializers.BooleanField(required=False)  # type: ignore[assignment]
    help = serializers.CharField(max_length=300, required=False, allow_blank=True)


class TaskChange(StrictSerializer):
    """Changes of a task; omitted fields stay."""

    name = serializers.CharField(max_length=120, required=False)
    agent = TeamRow(rows=present_agents, required=False)
    prompt = serializers.CharField(max_length=MAX_PROMPT, required=False, trim_whitespace=False)
    variables = VariableInput(many=True, required=False)
    review = serializers.BooleanField(required=False)
    output_schema = SchemaField(required=False, allow_null=True)
    required_artifacts = serializers.ListField(child=serializers.RegexField(PATH), required=False, max_length=50)
    limits = LimitsInput(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the fields under the flat names of the services."""
        flat = {**attrs, **attrs.get("limits", {})}
        flat.pop("limits", None)
        if "variables" in flat:
            flat["variables"] = [dict(row) for row in flat["variables"]]
        return flat


class TaskInput(TaskChange):
    name = serializers.CharField(max_length=120)
    agent = TeamRow(rows=present_agents)
    prompt = serializers.CharField(max_length=MAX_PROMPT, trim_whitespace=False)
