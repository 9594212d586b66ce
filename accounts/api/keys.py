"""API endpoints of API keys: create, list, revoke."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import ApiKey
from accounts.models.roles import SCOPES
from accounts.rest.base import ListAndShow
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import StrictSerializer
from accounts.services import keys


@extend_schema_serializer(component_name="ApiKey")
class ApiKeySerializer(serializers.ModelSerializer[ApiKey]):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=SCOPES))

    class Meta:
        model = ApiKey
        fields = ["id", "name", "prefix", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]
        read_only_fields = fields


@extend_schema_serializer(component_name="NewApiKey")
class NewApiKeySerializer(ApiKeySerializer):
    secret = serializers.CharField(
        read_only=True, allow_null=True, help_text="The whole key. In this one answer only; null when it is repeated."
    )

    class Meta(ApiKeySerializer.Meta):
        fields = [*ApiKeySerializer.Meta.fields, "secret"]
        read_only_fields = fields


@extend_schema_serializer(component_name="ApiKeyInput")
class ApiKeyInput(StrictSerializer):
    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=SCOPES), allow_empty=False, max_length=len(SCOPES)
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True)


@extend_schema_view(
    list=extend_schema(summary="List API keys"),
    retrieve=extend_schema(summary="Show an API key"),
    create=extend_schema(summary="Make an API key", request=ApiKeyInput, responses={201: NewApiKeySerializer}),
    destroy=extend_schema(summary="Revoke an API key"),
)
class ApiKeyViewSet(ListAndShow):
    queryset = ApiKey.objects.all()
    serializer_class = ApiKeySerializer
    lookup_value_converter = "uuid"
    read_scope = write_scope = "team:admin"

    @idempotent(hide=["secret"])
    def create(self, request: Request) -> Response:
        given = self.read(ApiKeyInput)
        key, secret = keys.create_key(team=self.team, actor=self.actor, within=self.access.actions, **given)
        answer: dict[str, Any] = {**ApiKeySerializer(key).data, "secret": secret}
        return Response(answer, status=201)

    def destroy(self, request: Request, pk: str) -> Response:
        keys.revoke_key(key=self.get_object(), actor=self.actor)
        return Response(status=204)
