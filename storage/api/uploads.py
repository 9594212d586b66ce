"""API endpoints of large uploads: announce, send to a signed address, complete."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import IO, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import OpenAPIView, TeamViewSet
from accounts.rest.idempotency import allow_a_slow_store, idempotent
from accounts.rest.serializers import EmptyInput, StrictSerializer
from storage import uploads
from storage.api.files import FileSerializer
from storage.models import Upload


@extend_schema_serializer(component_name="NewUpload")
class UploadInput(StrictSerializer):
    name = serializers.CharField(max_length=255)
    size = serializers.IntegerField(min_value=0, max_value=uploads.MOST_BYTES)
    sha256 = serializers.RegexField(r"^[0-9a-fA-F]{64}$")
    content_type = serializers.CharField(max_length=120, required=False, allow_blank=True)


@extend_schema_serializer(component_name="Upload")
class UploadSerializer(serializers.ModelSerializer[Upload]):
    method = serializers.SerializerMethodField(help_text="How the bytes are sent to `url`, with nothing around them.")
    url = serializers.SerializerMethodField(help_text="Whoever has it may send; it needs no key.")

    class Meta:
        model = Upload
        fields = ["id", "name", "size", "sha256", "method", "url", "expires_at"]
        read_only_fields = fields

    def get_method(self, upload: Upload) -> str:
        return "PUT"

    def get_url(self, upload: Upload) -> str:
        return uploads.address_of(upload)


class UploadViewSet(TeamViewSet):
    queryset = Upload.objects.all()
    serializer_class = UploadSerializer
    read_scope, write_scope = "runs:read", "runs:write"

    @extend_schema(
        operation_id="files_upload_url",
        summary="Get an address to send a large file to",
        description="Send the bytes there with PUT within an hour, then call `/files/{id}/complete/`.",
        request=UploadInput,
        responses={201: UploadSerializer},
    )
    @idempotent()
    def create(self, request: Request) -> Response:
        return self.show(uploads.begin_upload(team=self.team, actor=self.actor, **self.read(UploadInput)), status=201)

    @extend_schema(
        operation_id="files_complete",
        summary="Complete an upload",
        description="Size and SHA-256 are compared with what was announced. The file has the id of its upload.",
        request=EmptyInput,
        responses={201: FileSerializer},
    )
    @idempotent()
    def complete(self, request: Request, pk: str) -> Response:
        upload: Upload = self.get_object()
        self.read(EmptyInput)
        allow_a_slow_store()
        stored = uploads.complete_upload(upload=upload, actor=self.actor)
        return Response(FileSerializer(stored).data, status=201)


class BytesParser(BaseParser):
    """Parser that returns the raw body, whatever its media type."""

    media_type = "*/*"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        return stream


class ReceiveView(OpenAPIView):
    """Endpoint that receives the bytes of an upload if only this server reaches the store.

    The signed address is the credential.
    """

    http_method_names = ["put"]
    parser_classes = [BytesParser]

    @extend_schema(
        operation_id="files_receive",
        summary="Send the bytes of a large file",
        description="The address that `/files/upload-url/` gives where the file store is not reached directly.",
        request={"application/octet-stream": OpenApiTypes.BINARY},
        responses={204: None},
    )
    def put(self, request: Request, token: str) -> Response:
        uploads.receive(token=token, content=request.stream or BytesIO())
        return Response(status=204)
