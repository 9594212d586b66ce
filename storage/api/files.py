"""API endpoints of files: upload, show, delete."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db.models import ProtectedError
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import Conflict
from accounts.rest.base import TeamViewSet
from accounts.rest.errors import TooLarge
from accounts.rest.idempotency import allow_a_slow_store, idempotent
from accounts.rest.serializers import StrictSerializer
from storage import services
from storage.models import StoredFile
from storage.multipart import UploadParser


@extend_schema_serializer(component_name="File")
class FileSerializer(serializers.ModelSerializer[StoredFile]):
    class Meta:
        model = StoredFile
        fields = ["id", "name", "size", "sha256", "content_type", "created_at"]
        read_only_fields = fields


class FileInput(StrictSerializer):
    file = serializers.FileField(max_length=None, allow_empty_file=True)


@extend_schema_view(
    retrieve=extend_schema(summary="Show a file"),
    create=extend_schema(
        summary="Upload a file",
        description="One part named `file`. What the file is, is read from its bytes, not from what it calls itself.",
        request={"multipart/form-data": FileInput},
        responses={201: FileSerializer},
    ),
    destroy=extend_schema(summary="Delete a file that no run uses"),
)
class FileViewSet(mixins.RetrieveModelMixin, TeamViewSet):
    queryset = StoredFile.objects.all()
    serializer_class = FileSerializer
    parser_classes = [UploadParser]
    lookup_value_converter = "uuid"
    read_scope, write_scope = "runs:read", "runs:write"

    @idempotent()
    def create(self, request: Request) -> Response:
        content: UploadedFile[Any] = self.read(FileInput)["file"]
        if content.size is None or content.size > settings.UPLOAD_MAX_BYTES:
            raise TooLarge(f"A file may have at most {settings.UPLOAD_MAX_BYTES // 1024 // 1024} MB.")
        allow_a_slow_store()
        stored = services.save_file(
            team_id=self.team.pk,
            content=_readable(content),
            name=content.name or "file",
            content_type=content.content_type or "",
            created_by=self.actor,
        )
        return self.show(stored, status=201)

    def destroy(self, request: Request, pk: str) -> Response:
        try:
            services.delete_file(self.get_object(), actor=self.actor)
        except ProtectedError:
            raise Conflict("A run uses this file, as its input or its result. It goes when the run does.") from None
        return Response(status=204)


def _readable(content: UploadedFile[Any]) -> Any:
    content.seek(0)
    return content.file
