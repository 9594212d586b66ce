"""API endpoint of the role templates."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_serializer, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView
from agents.api.serializers import ToolPolicySerializer, usd
from agents.roles import ROLES, RoleTemplate


@extend_schema_serializer(component_name="ExampleVariable")
class ExampleVariableSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    label = serializers.CharField(required=False)  # type: ignore[assignment]
    type = serializers.ChoiceField(choices=["text", "number", "choice", "date", "file"])
    choices = serializers.ListField(child=serializers.CharField(), required=False)
    default = serializers.CharField(required=False)
    required = serializers.BooleanField(required=False)  # type: ignore[assignment]
    help = serializers.CharField(required=False)


@extend_schema_serializer(component_name="ExampleTask")
class ExampleTaskSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    prompt = serializers.CharField()
    variables = ExampleVariableSerializer(many=True)
    review = serializers.BooleanField()
    required_artifacts = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(component_name="RoleTemplate")
class RoleTemplateSerializer(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="What `template` names when an agent is made.")
    name = serializers.CharField()
    first_name = serializers.CharField()
    description = serializers.CharField()
    hue = serializers.CharField()
    icon = serializers.CharField()
    instructions = serializers.CharField()
    tools = serializers.SerializerMethodField()
    max_cost_usd = usd()
    max_turns = serializers.IntegerField()
    timeout_s = serializers.IntegerField()
    example_prompt = serializers.CharField()
    tasks = ExampleTaskSerializer(many=True)

    @extend_schema_field(ToolPolicySerializer(many=True))
    def get_tools(self, role: RoleTemplate) -> list[dict[str, str]]:
        return [{"tool": tool, "policy": policy.value} for tool, policy in role.tools]


class RoleTemplateListView(TeamAPIView):
    read_scope = write_scope = "agents:read"

    @extend_schema(
        operation_id="role_templates_list",
        summary="List role templates",
        responses=inline_serializer(
            "RoleTemplateList",
            {
                "results": RoleTemplateSerializer(many=True),
                "next": serializers.CharField(allow_null=True),
                "previous": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        results = RoleTemplateSerializer(ROLES, many=True).data
        return Response({"results": results, "next": None, "previous": None})
