"""API endpoint of the members that an agent is limited to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView, find
from accounts.rest.conditional import conditional, etag_of_text, require_etag
from accounts.rest.serializers import StrictSerializer
from agents.models import Agent
from agents.services.visibility import limit_agent, limited_to

MOST = 200


@extend_schema_serializer(component_name="AgentPeople")
class AgentPeopleSerializer(serializers.Serializer[Any]):
    limited_to = serializers.ListField(
        child=serializers.UUIDField(), allow_null=True, help_text="Ids of members; null: everyone in the team."
    )


@extend_schema_serializer(component_name="AgentPeopleInput")
class AgentPeopleInput(StrictSerializer):
    limited_to = serializers.ListField(child=serializers.UUIDField(), allow_null=True, max_length=MOST)


class AgentPeopleView(TeamAPIView):
    read_scope, write_scope = "agents:read", "team:admin"

    @extend_schema(
        operation_id="agents_people_show", summary="Show whom an agent is kept to", responses=AgentPeopleSerializer
    )
    def get(self, request: Request, agent_pk: UUID) -> Response:
        return self._answer(self._agent(agent_pk))

    @extend_schema(
        operation_id="agents_people_set",
        summary="Keep an agent to some members",
        description="Only they, owners and admins see and use it, its tasks and its runs. null opens it to the team.",
        request=AgentPeopleInput,
        responses=AgentPeopleSerializer,
    )
    @conditional
    @transaction.atomic
    def put(self, request: Request, agent_pk: UUID) -> Response:
        given = AgentPeopleInput(data=request.data)
        found = self._agent(agent_pk)
        agent = Agent.objects.select_for_update().get(pk=found.pk)
        given.is_valid(raise_exception=True)
        require_etag(request, _etag(agent))
        return self._answer(limit_agent(agent=agent, actor=self.actor, to=given.validated_data["limited_to"]))

    def _agent(self, pk: UUID) -> Agent:
        return find(Agent.objects.visible_to(self.access).present(), pk=pk)

    def _answer(self, agent: Agent) -> Response:
        response = Response(AgentPeopleSerializer({"limited_to": limited_to(agent)}).data)
        response["ETag"] = _etag(agent)
        return response


def _etag(agent: Agent) -> str:
    """Return the ETag of the list of people. The agent's other fields are not part of it: they are not changed here."""
    people = limited_to(agent)
    return etag_of_text(f"people:{agent.pk}:{'everyone' if people is None else sorted(map(str, people))}")
