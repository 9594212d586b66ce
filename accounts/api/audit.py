"""API endpoints of the audit log: list, export, verify."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.audit_export import audit_download
from accounts.models import AuditEntry
from accounts.models.audit import AuditEntryQuerySet
from accounts.rest.base import TeamViewSet
from accounts.rest.filters import TimeFilter
from accounts.rest.pagination import CursorPagination
from accounts.rest.serializers import shown
from accounts.services import audit_chain


@extend_schema_serializer(component_name="AuditEntry")
class AuditEntrySerializer(serializers.ModelSerializer[AuditEntry]):
    seq = serializers.IntegerField(help_text="1, 2, 3, … in the team.")
    actor = serializers.UUIDField(source="actor_id", allow_null=True)
    actor_label = serializers.CharField(help_text="The person's email, with the key or that it was an operator.")
    subject_label = serializers.CharField()
    data = serializers.DictField(child=serializers.JSONField())  # type: ignore[assignment]
    request_id = serializers.CharField()
    address = serializers.CharField()
    prev_hash = serializers.CharField()
    hash = serializers.CharField()

    class Meta:
        model = AuditEntry
        fields = [
            *("seq", "at", "actor", "actor_label", "action", "subject_type", "subject_id", "subject_label", "data"),
            *("request_id", "address", "prev_hash", "hash"),
        ]
        read_only_fields = fields


@extend_schema_serializer(component_name="AuditVerdict")
class VerdictSerializer(serializers.Serializer[audit_chain.Verdict]):
    is_unbroken = serializers.BooleanField()
    entries = serializers.IntegerField(help_text="How many are in order, from the first.")
    head = serializers.CharField(help_text="The hash of the last of these. Keep it elsewhere.")
    checkpoint_entries = serializers.IntegerField(
        source="checkpoint",
        allow_null=True,
        help_text="How many the checkpoint in the file store confirms; null: there is none yet, or it cannot be read.",
    )
    broken_at = serializers.IntegerField(
        allow_null=True, help_text="The first entry that is altered, missing or moved."
    )
    summary = serializers.CharField(source="__str__", help_text="The same in words.")


class AuditFilter(filters.FilterSet):  # type: ignore[misc]
    actor = filters.CharFilter(
        method="by_actor", max_length=160, label="A person's id, or a part of who it says it was."
    )
    action = filters.CharFilter(method="by_action", max_length=60, label="`run.started`, or `run` for all of its kind.")
    subject = filters.CharFilter(field_name="subject_id", max_length=40, label="The id of what it was done to.")
    since = TimeFilter(field_name="at", lookup_expr="gte")
    until = TimeFilter(field_name="at", lookup_expr="lt")

    def by_actor(self, entries: AuditEntryQuerySet, name: str, text: str) -> AuditEntryQuerySet:
        return entries.by_actor(text)

    def by_action(self, entries: AuditEntryQuerySet, name: str, text: str) -> AuditEntryQuerySet:
        return entries.of_action(text)


class BySeq(CursorPagination):
    """Pagination by `seq`.

    Entries are numbered in the order of sealing, so one that commits late is on a later page and none is missed.
    """

    key = "seq"


@extend_schema_view(
    list=extend_schema(summary="List the audit log"),
    export=extend_schema(
        summary="Export the audit log",
        description="One JSON object a line, oldest first, with what is needed to verify the chain elsewhere.",
        responses={(200, "application/x-ndjson"): OpenApiTypes.BINARY},
    ),
    verify=extend_schema(summary="Verify the audit log", responses=VerdictSerializer),
)
class AuditViewSet(TeamViewSet):
    queryset = AuditEntry.objects.sealed()
    serializer_class = AuditEntrySerializer
    filterset_class = AuditFilter
    pagination_class = BySeq
    read_scope = write_scope = "team:admin"

    def list(self, request: Request) -> Response:
        audit_chain.seal(self.team.pk)
        page = self.paginate_queryset(self.filter_queryset(self.get_queryset()))
        return self.get_paginated_response([shown(AuditEntrySerializer, row) for row in page or ()])

    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def export(self, request: Request) -> HttpResponseBase:
        return audit_download(self.team)

    @action(detail=False, methods=["get"], pagination_class=None, filterset_class=None)
    def verify(self, request: Request) -> Response:
        verdict: Any = audit_chain.verify(self.team.pk)
        return Response(VerdictSerializer(verdict).data)
