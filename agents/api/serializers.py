"""Serializers of agents, versions and memories."""

from __future__ import annotations

from typing import Any, cast

from drf_spectacular.utils import extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from accounts.rest.serializers import StrictSerializer
from accounts.services.people import HUES
from agents.models import Agent, AgentStatus, AgentVersion, Memory, Runtime
from agents.roles import ROLES
from agents.services.checks import BOUNDS, MAX_INSTRUCTIONS
from agents.services.memories import MAX_LENGTH
from agents.services.models import Catalogue
from tools import catalog
from tools.spec import Policy


def usd(*, places: int = 2, **more: Any) -> serializers.DecimalField:
    """Return a serializer field for an amount in USD, written as a decimal string."""
    return serializers.DecimalField(max_digits=14, decimal_places=places, **more)


@extend_schema_serializer(component_name="ToolPolicy")
class ToolPolicySerializer(StrictSerializer):
    tool = serializers.ChoiceField(choices=catalog.BUILTIN)
    policy = serializers.ChoiceField(choices=[policy.value for policy in Policy])


@extend_schema_serializer(component_name="AgentLimits")
class AgentLimitsSerializer(serializers.Serializer[Agent]):
    max_cost_usd = usd(source="version.max_cost_usd")
    max_turns = serializers.IntegerField(source="version.max_turns")
    timeout_s = serializers.IntegerField(source="version.timeout_s")
    max_concurrent_runs = serializers.IntegerField()


@extend_schema_serializer(component_name="AgentOptions")
class AgentOptionsSerializer(serializers.Serializer[Any]):
    approvers = serializers.ListField(
        child=serializers.EmailField(), default=list, help_text="Empty: everyone who may."
    )
    four_eyes = serializers.BooleanField(default=False, help_text="Who started a run does not approve its calls.")
    allowed_hosts = serializers.ListField(
        child=serializers.CharField(), default=list, help_text="Where its tools may reach; empty: any public host."
    )
    max_tokens = serializers.IntegerField(allow_null=True, default=None, help_text="Of one answer; null: as usual.")


@extend_schema_serializer(component_name="ModelEnd")
class ModelEndSerializer(serializers.Serializer[Any]):
    on = serializers.DateField(help_text="The last day on which the provider answers.")
    is_over = serializers.BooleanField(help_text="New runs are refused until the agent has another model.")
    replacement = serializers.CharField(help_text="The newest model of the same family.")


@extend_schema_serializer(component_name="Agent")
class AgentSerializer(serializers.ModelSerializer[Agent]):
    instructions = serializers.CharField(source="version.instructions")
    model = serializers.CharField(source="version.model")
    model_end = serializers.SerializerMethodField(help_text="null: the end of the model is not known.")
    runtime = serializers.ChoiceField(choices=Runtime.choices, source="version.runtime")
    tools = ToolPolicySerializer(source="version.tools", many=True)
    memory_enabled = serializers.BooleanField(source="version.memory_enabled")
    limits = AgentLimitsSerializer(source="*")
    options = AgentOptionsSerializer(source="version.options")
    budget_monthly_usd = usd(allow_null=True)
    working_hours = serializers.SerializerMethodField(help_text="null: at any hour.")
    version = serializers.IntegerField(source="version.number")
    status = serializers.ChoiceField(choices=[AgentStatus.ACTIVE.value, AgentStatus.PAUSED.value])
    listing = serializers.SerializerMethodField(help_text="null: not hired from the marketplace.")

    class Meta:
        model = Agent
        fields = [
            *("id", "name", "role", "description", "instructions", "model", "model_end", "runtime", "tools"),
            *(
                "memory_enabled",
                "limits",
                "options",
                "budget_monthly_usd",
                "working_hours",
                "hue",
                "icon",
                "version",
                "status",
            ),
            *("listing", "created_at"),
        ]
        read_only_fields = fields

    @extend_schema_field(ModelEndSerializer(allow_null=True))
    def get_model_end(self, agent: Agent) -> dict[str, Any] | None:
        version = agent.version
        if version is None or version.runtime != Runtime.ANTHROPIC:
            return None
        known = cast(dict[str, Any], self.context)  # shared by all agents of a list
        if "catalogue" not in known:
            known["catalogue"] = Catalogue()
        end = known["catalogue"].end_of(version.runtime, version.model)
        return dict(ModelEndSerializer(end).data) if end else None

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {}})
    def get_working_hours(self, agent: Agent) -> None:
        return None

    @extend_schema_field({"type": ["object", "null"], "additionalProperties": {}})
    def get_listing(self, agent: Agent) -> None:
        return None


class AgentLimitsInput(StrictSerializer):
    max_cost_usd = usd(required=False, min_value=BOUNDS["max_cost_usd"][0], max_value=BOUNDS["max_cost_usd"][1])
    max_turns = serializers.IntegerField(required=False, min_value=1, max_value=int(BOUNDS["max_turns"][1]))
    timeout_s = serializers.IntegerField(
        required=False, min_value=int(BOUNDS["timeout_s"][0]), max_value=int(BOUNDS["timeout_s"][1])
    )
    max_concurrent_runs = serializers.IntegerField(
        required=False, min_value=1, max_value=int(BOUNDS["max_concurrent_runs"][1])
    )


class AgentOptionsInput(StrictSerializer):
    approvers = serializers.ListField(child=serializers.EmailField(), required=False, max_length=20)
    four_eyes = serializers.BooleanField(required=False)
    allowed_hosts = serializers.ListField(child=serializers.CharField(max_length=253), required=False, max_length=100)
    max_tokens = serializers.IntegerField(required=False, min_value=256, max_value=64_000)


class AgentInput(StrictSerializer):
    """Fields of an agent that a request may change. `limits`, `options` and the budget keep what is left out."""

    name = serializers.CharField(max_length=80, required=False)
    role = serializers.CharField(max_length=80, required=False, allow_blank=True)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    instructions = serializers.CharField(max_length=MAX_INSTRUCTIONS, required=False, trim_whitespace=False)
    model = serializers.CharField(max_length=80, required=False)
    runtime = serializers.ChoiceField(choices=Runtime.choices, required=False)
    tools = ToolPolicySerializer(many=True, required=False)
    memory_enabled = serializers.BooleanField(required=False)
    limits = AgentLimitsInput(required=False)
    options = AgentOptionsInput(required=False)
    budget_monthly_usd = usd(required=False, allow_null=True, min_value=0)
    hue = serializers.ChoiceField(choices=HUES, required=False)
    icon = serializers.RegexField(r"^[a-z0-9-]{1,40}$", required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Return the values under the flat names of the services: `limits` is merged into the top level."""
        flat = {**attrs, **attrs.get("limits", {})}
        flat.pop("limits", None)
        if "tools" in flat:
            flat["tools"] = [dict(row) for row in flat["tools"]]
        return flat


@extend_schema_serializer(component_name="NewAgent")
class NewAgent(AgentInput):
    """Fields of a new agent. `name` and `instructions` are required unless a template gives them."""

    template = serializers.ChoiceField(choices=[role.key for role in ROLES], required=False)


@extend_schema_serializer(component_name="AgentChange")
class AgentChange(AgentInput):
    status = serializers.ChoiceField(choices=[AgentStatus.ACTIVE.value, AgentStatus.PAUSED.value], required=False)


@extend_schema_serializer(component_name="AgentVersionLimits")
class VersionLimitsSerializer(serializers.Serializer[AgentVersion]):
    max_cost_usd = usd()
    max_turns = serializers.IntegerField()
    timeout_s = serializers.IntegerField()


@extend_schema_serializer(component_name="AgentVersion")
class AgentVersionSerializer(serializers.ModelSerializer[AgentVersion]):
    tools = ToolPolicySerializer(many=True)
    limits = VersionLimitsSerializer(source="*")
    created_by = serializers.CharField(source="created_by.display_name", default="", read_only=True)

    class Meta:
        model = AgentVersion
        fields = [
            *("number", "instructions", "model", "runtime", "tools", "memory_enabled", "limits", "created_by"),
            "created_at",
        ]
        read_only_fields = fields


@extend_schema_serializer(component_name="Memory")
class MemorySerializer(serializers.ModelSerializer[Memory]):
    run = serializers.UUIDField(
        source="run_id", allow_null=True, help_text="Where it was learned; null: from a person."
    )

    class Meta:
        model = Memory
        fields = ["id", "text", "run", "accepted_at", "created_at"]
        read_only_fields = fields


class MemoryInput(StrictSerializer):
    text = serializers.CharField(max_length=MAX_LENGTH)
