"""API endpoints of agents' runs, files and figures. Runs lie above agents in the layers, so this module is here."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView, find, takes
from accounts.rest.errors import BadParameter
from accounts.rest.idempotency import idempotent
from accounts.rest.serializers import EmptyInput
from agents.models import Agent
from tasks.api.shapes import RunSerializer, new_run
from tasks.models import RunOrigin
from tasks.reports.activity import agent_tally
from tasks.services.onboarding import start_demo

DEFAULT_DAYS, MOST_DAYS = 30, 366
"""Days of a report, by default and at most."""


@extend_schema_serializer(component_name="AgentDay")
class AgentDaySerializer(serializers.Serializer[Any]):
    day = serializers.DateField()
    runs = serializers.IntegerField()


@extend_schema_serializer(component_name="AgentMetrics")
class AgentMetricsSerializer(serializers.Serializer[Any]):
    agent = serializers.UUIDField()
    since = serializers.DateField(help_text="The first of the days, in UTC; today is the last.")
    runs = serializers.IntegerField(help_text="Runs that were started in these days.")
    succeeded = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Failed, expired or rejected.")
    needs_you = serializers.IntegerField(help_text="Waiting for a person, or in review.")
    success_percent = serializers.FloatField(allow_null=True, help_text="Of those that ended well or badly.")
    active_s = serializers.FloatField(help_text="Working time of those that have ended.")
    cost_usd = serializers.DecimalField(14, 6)
    by_day = AgentDaySerializer(many=True)


class OfAgentView(TeamAPIView):
    def agent(self, pk: UUID) -> Agent:
        return find(Agent.objects.visible_to(self.access).present().select_related("version", "team"), pk=pk)


class AgentMetricsView(OfAgentView):
    read_scope = write_scope = "agents:read"

    @extend_schema(
        operation_id="agents_metrics",
        summary="Show how an agent does",
        parameters=[
            OpenApiParameter("days", {"type": "integer", "minimum": 1, "maximum": MOST_DAYS, "default": DEFAULT_DAYS})
        ],
        responses=AgentMetricsSerializer,
    )
    @takes("days")
    def get(self, request: Request, agent_pk: UUID) -> Response:
        days = _days(request.query_params.get("days", str(DEFAULT_DAYS)))
        agent = self.agent(agent_pk)
        tally, by_day = agent_tally(agent, days=days)
        since = timezone.now().date() - timedelta(days=days - 1)
        found = {
            "agent": agent.pk,
            "since": since,
            "runs": tally.runs,
            "succeeded": tally.done,
            "failed": tally.bad,
            "needs_you": tally.asking,
            "success_percent": tally.done_percent,
            "active_s": tally.active_s,
            "cost_usd": tally.cost_usd,
            "by_day": [{"day": since + timedelta(days=n), "runs": runs} for n, runs in enumerate(by_day)],
        }
        return Response(AgentMetricsSerializer(found).data)


class AgentDemoView(OfAgentView):
    read_scope = write_scope = "runs:write"

    @extend_schema(
        operation_id="agents_demo",
        summary="Let an agent show what it does",
        description="A run of kind demo: the example of the agent's role with its example file, else an introduction. "
        "It costs what any run costs, and its result waits for a review.",
        request=EmptyInput,
        responses={201: RunSerializer},
    )
    @idempotent()
    def post(self, request: Request, agent_pk: UUID) -> Response:
        agent = self.agent(agent_pk)  # first: access is checked before the input
        EmptyInput(data=request.data).is_valid(raise_exception=True)
        return Response(new_run(start_demo(agent=agent, actor=self.actor, origin=RunOrigin.API)), status=201)


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MOST_DAYS):
        raise BadParameter("days", f"Give a whole number from 1 to {MOST_DAYS}.")
    return int(text)
