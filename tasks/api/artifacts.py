"""API endpoints of delivered files."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import mixins
from rest_framework.decorators import action
from rest_framework.request import Request

from accounts.rest.base import TeamViewSet, refuses
from storage.downloads import download
from tasks.api.runs import OfRun
from tasks.api.shapes import ArtifactSerializer
from tasks.models import Artifact

SHOWN = Artifact.objects.select_related("file", "run__version")


@extend_schema_view(list=extend_schema(summary="List what a run delivered"))
class RunArtifactViewSet(mixins.ListModelMixin, OfRun):
    queryset = SHOWN
    serializer_class = ArtifactSerializer


@extend_schema_view(retrieve=extend_schema(summary="Show an artifact"))
class ArtifactViewSet(mixins.RetrieveModelMixin, TeamViewSet):
    queryset = SHOWN
    serializer_class = ArtifactSerializer
    lookup_value_converter = "uuid"
    read_scope = write_scope = "runs:read"

    @extend_schema(
        summary="Download an artifact",
        responses={
            (200, "application/octet-stream"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The bytes, where the file store is reached through this server only."
            ),
            (206, "application/octet-stream"): OpenApiResponse(
                OpenApiTypes.BINARY, description="The part that `Range: bytes=FIRST-LAST` asks for, in the same case."
            ),
            302: OpenApiResponse(description="To an address in the file store that works for five minutes."),
        },
    )
    @refuses(416)
    @action(detail=True, methods=["get"])
    def download(self, request: Request, pk: str) -> HttpResponseBase:
        artifact: Any = self.get_object()
        return download(artifact.file, request)
