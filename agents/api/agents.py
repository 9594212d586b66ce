"""API endpoints of agents and their versions."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.errors import FieldError, InvalidInput
from accounts.rest.base import ListAndShow, TeamViewSet, find
from accounts.rest.conditional import conditional, require_match, with_etag
from accounts.rest.idempotency import idempotent
from accounts.rest.permissions import require_scope
from accounts.rest.serializers import EmptyInput
from agents.api.serializers import AgentChange, AgentSerializer, AgentVersionSerializer, NewAgent
from agents.models import Agent, AgentStatus, AgentVersion
from agents.roles import find as find_role
from agents.roles import starting_point
from agents.services import agents, checks, consent

STATUS_CHANGES = {AgentStatus.PAUSED: agents.pause_agent, AgentStatus.ACTIVE: agents.resume_agent}


@extend_schema_view(
    list=extend_schema(summary="List agents"),
    retrieve=extend_schema(summary="Show an agent"),
    create=extend_schema(
        summary="Make an agent",
        description="A tool whose policy is looser than its default needs `team:admin`.",
        request=NewAgent,
        responses={201: AgentSerializer},
    ),
    partial_update=extend_schema(
        summary="Change an agent",
        description="Its monthly budget needs `team:admin`, and so do runs that may cost more than before and than $5, "
        "and whatever loosens consent: a looser policy of a tool, more approvers or hosts, four eyes off.",
        request=AgentChange,
        responses=AgentSerializer,
    ),
    destroy=extend_schema(
        summary="Delete an agent", description="Its live runs are cancelled and its tasks deleted; what it did stays."
    ),
)
class AgentViewSet(ListAndShow):
    queryset = Agent.objects.all()
    serializer_class = AgentSerializer
    lookup_value_converter = "uuid"
    filterset_fields = ["status", "role"]
    read_scope, write_scope = "agents:read", "agents:write"

    def get_queryset(self) -> QuerySet[Agent]:
        rows: Any = super().get_queryset()
        found: QuerySet[Agent] = rows.present().with_budget().select_related("version")
        return found

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self._answer(self.get_object())

    @idempotent()
    def create(self, request: Request) -> Response:
        given = self.read(NewAgent)
        role = find_role(given.pop("template", ""))
        given = (starting_point(role) if role else {}) | given
        _require(given, "name", "instructions")
        self._check_cap(given.get("max_cost_usd"), None)
        made = agents.create_agent(team=self.team, actor=self.actor, is_admin=is_admin(self), **given)
        return self._answer(made, status=201)

    @conditional
    @transaction.atomic
    def partial_update(self, request: Request, pk: str) -> Response:
        agent = self._locked()
        changes = self.read(AgentChange)
        if agents.BUDGET in changes:
            require_scope(self.access, "team:admin")
        self._check_cap(changes.get("max_cost_usd"), agent.version)
        status = changes.pop("status", None)
        if "options" in changes and agent.version is not None:
            changes["options"] = {**agent.version.options, **changes["options"]}
        if changes:
            agents.update_agent(agent=agent, actor=self.actor, changes=changes, is_admin=is_admin(self))
        if status is not None:
            STATUS_CHANGES[AgentStatus(status)](agent=agent, actor=self.actor)
        return self._answer(agent)

    @conditional
    @transaction.atomic
    def destroy(self, request: Request, pk: str) -> Response:
        agents.remove_agent(agent=self._locked(), actor=self.actor)
        return Response(status=204)

    def _check_cap(self, wanted: Decimal | None, present: AgentVersion | None) -> None:
        if wanted is not None and wanted > checks.most_of_members(present):
            require_scope(self.access, "team:admin")

    def _locked(self) -> Agent:
        """Lock and return the agent, and check `If-Match` under the lock."""
        agent = find(Agent.objects.visible_to(self.access).present().locked(), pk=self.kwargs["pk"])
        require_match(self.request, agent)
        return agent

    def _answer(self, agent: Agent, *, status: int = 200) -> Response:
        fresh = self.get_queryset().get(pk=agent.pk)
        return with_etag(self.show(fresh, status=status), fresh)


class OfAgent(TeamViewSet):
    """Base view for the rows of one agent, which must belong to the caller's team."""

    read_scope, write_scope = "agents:read", "agents:write"

    def agent(self) -> Agent:
        return find(Agent.objects.visible_to(self.access).present(), pk=self.kwargs["agent_pk"])

    def get_queryset(self) -> QuerySet[Any]:
        rows = super().get_queryset()
        return rows if getattr(self, "swagger_fake_view", False) else rows.filter(agent=self.agent())


@extend_schema_view(list=extend_schema(summary="List the versions of an agent"))
class AgentVersionViewSet(ListAndShow, OfAgent):
    queryset = AgentVersion.objects.select_related("created_by")
    serializer_class = AgentVersionSerializer

    @extend_schema(
        operation_id="agents_versions_restore",
        summary="Restore a version",
        request=EmptyInput,
        responses={201: AgentSerializer},
    )
    @idempotent()
    @transaction.atomic
    def restore(self, request: Request, agent_pk: str, number: int) -> Response:
        agent = find(Agent.objects.visible_to(self.access).present().locked(), pk=agent_pk)
        if agents.restores_a_higher_cap(agent=agent, number=number):
            require_scope(self.access, "team:admin")
        self.read(EmptyInput)
        restored = agents.restore_version(agent=agent, actor=self.actor, number=number, is_admin=is_admin(self))
        shown = Agent.objects.with_budget().select_related("version").get(pk=restored.pk)
        return with_etag(Response(AgentSerializer(shown).data, status=201), shown)


def is_admin(view: TeamViewSet) -> bool:
    return consent.RIGHT in view.access.actions


def _require(given: dict[str, Any], *names: str) -> None:
    missing = [FieldError(name, "required", "This field is required.") for name in names if name not in given]
    if missing:
        raise InvalidInput("Some fields are missing.", fields=missing)
