"""API endpoint of the tools that agents can use."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView
from tools import catalog
from tools.spec import Effect, Policy


@extend_schema_serializer(component_name="Tool")
class ToolSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    icon = serializers.CharField()
    input_schema = serializers.DictField(help_text="JSON Schema of the arguments.")
    effect = serializers.ChoiceField(choices=[effect.value for effect in Effect])
    default_policy = serializers.ChoiceField(choices=[policy.value for policy in Policy])
    timeout_s = serializers.FloatField()


class ToolListView(TeamAPIView):
    read_scope = write_scope = "tools:read"

    @extend_schema(
        operation_id="tools_list",
        summary="List tools",
        responses=inline_serializer(
            "ToolList",
            {
                "results": ToolSerializer(many=True),
                "next": serializers.CharField(allow_null=True),
                "previous": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        results = ToolSerializer(catalog.for_team(self.team.pk), many=True).data
        return Response({"results": results, "next": None, "previous": None})
