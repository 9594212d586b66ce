"""API endpoints of monthly budgets: of the team, and of each agent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_serializer, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import Team
from accounts.rest.base import TeamAPIView, find
from accounts.rest.conditional import conditional, etag_of_text, require_etag
from accounts.rest.serializers import StrictSerializer
from agents.models import Agent
from billing.models import Budget
from billing.reports import Standing, month_start, standings
from billing.services import MOST_USD, set_budget


@extend_schema_serializer(component_name="BudgetAgent")
class BudgetAgentSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField()
    name = serializers.CharField()


@extend_schema_serializer(component_name="Budget")
class BudgetSerializer(serializers.Serializer[Any]):
    scope = serializers.ChoiceField(choices=["team", "agent"])
    agent = BudgetAgentSerializer(allow_null=True)
    month = serializers.DateField(help_text="Its first day, in UTC.")
    limit_usd = serializers.DecimalField(14, 2, allow_null=True, help_text="null: no limit.")
    spent_usd = serializers.DecimalField(14, 6)
    reserved_usd = serializers.DecimalField(14, 6, help_text="Set aside for calls that are under way.")


@extend_schema_serializer(component_name="BudgetInput")
class BudgetInput(StrictSerializer):
    limit_usd = serializers.DecimalField(14, 2, min_value=Decimal(0), max_value=MOST_USD)


class BudgetView(TeamAPIView):
    """Base view of the three budget endpoints."""

    read_scope = "billing:read"

    def shown(self, agent: Agent | None, standing: Standing) -> dict[str, Any]:
        row = {
            "scope": "agent" if agent else "team",
            "agent": agent,
            "month": month_start().date(),
            "limit_usd": standing.limit_usd,
            "spent_usd": standing.spent_usd,
            "reserved_usd": standing.reserved_usd,
        }
        return dict(BudgetSerializer(row).data)

    def answer(self, agent: Agent | None = None) -> Response:
        of_team, of_agents = standings(self.team)
        standing = of_agents.get(agent.pk, Standing(None, Decimal(0))) if agent else of_team
        response = Response(self.shown(agent, standing))
        response["ETag"] = _etag(agent, standing.limit_usd)
        return response

    @transaction.atomic
    def limit(self, agent: Agent | None = None) -> Response:
        given = BudgetInput(data=self.request.data)
        given.is_valid(raise_exception=True)
        self.set_limit(agent, given.validated_data["limit_usd"])
        return self.answer(agent)

    @transaction.atomic
    def set_limit(self, agent: Agent | None, limit_usd: Decimal | None) -> None:
        """Check `If-Match` and set the budget, both under the team's lock.

        The budget itself may have no row yet to lock.
        """
        Team.objects.select_for_update(no_key=True).get(pk=self.team.pk)
        mine = Budget.objects.for_team(self.team).filter(agent_id=agent.pk if agent else None)
        require_etag(self.request, _etag(agent, mine.values_list("limit_usd", flat=True).first()))
        set_budget(team=self.team, actor=self.actor, limit_usd=limit_usd, agent_id=agent.pk if agent else None)


def _etag(agent: Agent | None, limit_usd: Decimal | None) -> str:
    """Return the ETag of the limit. Spending is left out: it changes without anybody's edit."""
    amount = "none" if limit_usd is None else f"{limit_usd:.6f}"
    return etag_of_text(f"budget:{agent.pk if agent else 'team'}:{amount}")


class BudgetListView(BudgetView):
    write_scope = "team:admin"

    @extend_schema(
        operation_id="budgets_list",
        summary="List this month's spend and limits",
        responses=inline_serializer(
            "BudgetList",
            {
                "results": BudgetSerializer(many=True),
                "next": serializers.CharField(allow_null=True),
                "previous": serializers.CharField(allow_null=True),
            },
        ),
    )
    def get(self, request: Request) -> Response:
        of_team, of_agents = standings(self.team)
        rows = [self.shown(None, of_team)]
        for agent in Agent.objects.visible_to(self.access).present().order_by("name", "pk"):
            rows.append(self.shown(agent, of_agents.get(agent.pk, Standing(None, Decimal(0)))))
        return Response({"results": rows, "next": None, "previous": None})


class TeamBudgetView(BudgetView):
    write_scope = "team:admin"

    @extend_schema(operation_id="budgets_team_show", summary="Show the team's budget", responses=BudgetSerializer)
    def get(self, request: Request) -> Response:
        return self.answer()

    @extend_schema(
        operation_id="budgets_team_set",
        summary="Limit what the team may spend in a month",
        description="Runs that wait for this budget go on if it is enough.",
        request=BudgetInput,
        responses=BudgetSerializer,
    )
    @conditional
    def put(self, request: Request) -> Response:
        return self.limit()

    @extend_schema(operation_id="budgets_team_clear", summary="Take the team's limit away", responses={204: None})
    @conditional
    def delete(self, request: Request) -> Response:
        self.set_limit(None, None)
        return Response(status=204)


class AgentBudgetView(BudgetView):
    write_scope = "team:admin"

    def agent(self, pk: UUID) -> Agent:
        return find(Agent.objects.visible_to(self.access).present(), pk=pk)

    @extend_schema(operation_id="budgets_agents_show", summary="Show an agent's budget", responses=BudgetSerializer)
    def get(self, request: Request, agent_pk: UUID) -> Response:
        return self.answer(self.agent(agent_pk))

    @extend_schema(
        operation_id="budgets_agents_set",
        summary="Limit what an agent may spend in a month",
        description="Runs that wait for this budget go on if it is enough.",
        request=BudgetInput,
        responses=BudgetSerializer,
    )
    @conditional
    def put(self, request: Request, agent_pk: UUID) -> Response:
        return self.limit(self.agent(agent_pk))

    @extend_schema(operation_id="budgets_agents_clear", summary="Take an agent's limit away", responses={204: None})
    @conditional
    def delete(self, request: Request, agent_pk: UUID) -> Response:
        self.set_limit(self.agent(agent_pk), None)
        return Response(status=204)
