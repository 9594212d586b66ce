"""API endpoints of requests to people: read, answer, and the inbox."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_serializer, extend_schema_view
from rest_framework import mixins, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import ListAndShow, TeamViewSet
from accounts.rest.idempotency import idempotent
from tasks.api.inputs import AnswerInput
from tasks.api.runs import OfRun
from tasks.api.shapes import HumanRequestSerializer, RunAgentSerializer, badge_of
from tasks.models import HumanRequest
from tasks.services import answers


@extend_schema_view(
    list=extend_schema(summary="List what a run has asked"), retrieve=extend_schema(summary="Show what a run has asked")
)
class RequestViewSet(ListAndShow, OfRun):
    queryset = HumanRequest.objects.select_related("answered_by")
    serializer_class = HumanRequestSerializer

    @extend_schema(
        operation_id="runs_requests_answer",
        summary="Answer a question, decide an approval",
        description="A second answer, an answer to an expired or void request or to another digest: 409. "
        "Raising a run's limit beyond what its agent may spend on one run needs `team:admin`.",
        request=AnswerInput,
        responses=HumanRequestSerializer,
    )
    @idempotent()
    def answer(self, request: Request, run_pk: str, pk: str) -> Response:
        asked, answer = self.get_object(), self.read(AnswerInput)
        is_admin = "team:admin" in self.access.actions
        asked = answers.answer_request(asked=asked, actor=self.actor, answer=answer, is_admin=is_admin)
        return self.show(asked)


@extend_schema_serializer(component_name="InboxEntry")
class InboxEntrySerializer(HumanRequestSerializer):
    run_title = serializers.CharField(source="run.title")
    agent = RunAgentSerializer(source="run")
    badge = serializers.SerializerMethodField()

    class Meta(HumanRequestSerializer.Meta):
        fields = [*HumanRequestSerializer.Meta.fields, "run_title", "agent", "badge"]
        read_only_fields = fields

    def get_badge(self, asked: HumanRequest) -> str:
        return badge_of(asked.run.version.runtime)


@extend_schema_view(list=extend_schema(summary="List what waits for a person"))
class InboxViewSet(mixins.ListModelMixin, TeamViewSet):
    queryset = HumanRequest.objects.open().select_related("run__agent", "run__version", "answered_by")
    serializer_class = InboxEntrySerializer
    filterset_fields = ["kind"]
    read_scope = write_scope = "runs:read"
