"""API endpoints of read-only links to a run."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamViewSet
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import EmptyInput
from tasks.api.runs import OfRun
from tasks.models import RunShare
from tasks.services import shares


@extend_schema_serializer(component_name="RunShare")
class RunShareSerializer(serializers.ModelSerializer[RunShare]):
    run = serializers.UUIDField(source="run_id")

    class Meta:
        model = RunShare
        fields = ["id", "run", "token_hint", "created_at", "revoked_at"]
        read_only_fields = fields


@extend_schema_serializer(component_name="NewRunShare")
class NewRunShareSerializer(RunShareSerializer):
    url = serializers.CharField(
        allow_null=True, help_text="Whoever has it may look. In this one answer only; null when it is repeated."
    )

    class Meta(RunShareSerializer.Meta):
        fields = [*RunShareSerializer.Meta.fields, "url"]
        read_only_fields = fields


@extend_schema_view(
    list=extend_schema(summary="List the links to a run"),
    create=extend_schema(
        summary="Make a link that shows a run", request=EmptyInput, responses={201: NewRunShareSerializer}
    ),
    destroy=extend_schema(summary="Revoke a link"),
)
class RunShareViewSet(mixins.ListModelMixin, OfRun):
    queryset = RunShare.objects.all()
    serializer_class = RunShareSerializer

    @idempotent(hide=["url"])
    def create(self, request: Request, run_pk: str) -> Response:
        self.read(EmptyInput)
        share, token = shares.share_run(run=self.run(), actor=self.actor)
        url = settings.BASE_URL + reverse("shares:run", args=[token])
        answer: dict[str, Any] = {**RunShareSerializer(share).data, "url": url}
        return Response(answer, status=201)

    def destroy(self, request: Request, run_pk: str, pk: str) -> Response:
        shares.revoke_share(share=self.get_object(), actor=self.actor)
        return Response(status=204)


@extend_schema_serializer(component_name="OpenShare")
class OpenShareSerializer(RunShareSerializer):
    run_title = serializers.CharField(source="run.title")
    created_by = serializers.CharField(source="created_by.display_name", allow_null=True, default=None)
    is_of_member = serializers.BooleanField(help_text="Whether its maker is in the team still.")

    class Meta(RunShareSerializer.Meta):
        fields = ["id", "run", "run_title", "token_hint", "created_by", "is_of_member", "created_at"]
        read_only_fields = fields


@extend_schema_view(list=extend_schema(summary="List the open links to all runs of the team"))
class OpenShareViewSet(mixins.ListModelMixin, TeamViewSet):
    """Open links of the team. Each is closed through its run."""

    queryset = RunShare.objects.open().select_related("run", "created_by")
    serializer_class = OpenShareSerializer
    read_scope = write_scope = "team:admin"
