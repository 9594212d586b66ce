"""API endpoints of the plans, and of the team's usage against its plan."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.rest.base import TeamAPIView
from billing import entitlements, plans


@extend_schema_serializer(component_name="PlanLimits")
class LimitsSerializer(serializers.Serializer[Any]):
    """Limits of a plan. null: no limit."""

    agents = serializers.IntegerField(allow_null=True)
    runs_per_month = serializers.IntegerField(allow_null=True)
    seats = serializers.IntegerField(allow_null=True)
    storage_bytes = serializers.IntegerField(allow_null=True)
    concurrent_runs = serializers.IntegerField(allow_null=True)
    concurrent_builds = serializers.IntegerField(allow_null=True)


@extend_schema_serializer(component_name="Plan")
class PlanSerializer(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField(source="blurb")
    price_usd = serializers.DecimalField(
        max_digits=8, decimal_places=2, allow_null=True, help_text="A month; null is to be agreed."
    )
    is_current = serializers.BooleanField()
    limits = LimitsSerializer()


@extend_schema_serializer(component_name="PlanList")
class PlanListSerializer(serializers.Serializer[Any]):
    results = PlanSerializer(many=True)


@extend_schema_serializer(component_name="Meter")
class MeterSerializer(serializers.Serializer[Any]):
    entitlement = serializers.ChoiceField(choices=[what.value for what in plans.Limit], source="what")
    used = serializers.IntegerField()
    limit = serializers.IntegerField(allow_null=True, help_text="null is no limit.")
    percent = serializers.IntegerField()


@extend_schema_serializer(component_name="PlanUsage")
class UsageSerializer(serializers.Serializer[Any]):
    plan = serializers.CharField()
    upgrade_url = serializers.CharField()
    meters = MeterSerializer(many=True)


class PlansView(TeamAPIView):
    read_scope = write_scope = "billing:read"

    @extend_schema(responses=PlanListSerializer, operation_id="billing_plans", summary="List the plans")
    def get(self, request: Request) -> Response:
        current = entitlements.plan_of(self.team)
        shown = [
            {name: getattr(plan, name) for name in ("key", "name", "blurb", "price_usd", "limits")}
            | {"is_current": plan is current}
            for plan in plans.PLANS.values()
        ]
        return Response(PlanListSerializer({"results": shown}).data)


class UsageView(TeamAPIView):
    read_scope = write_scope = "billing:read"

    @extend_schema(
        responses=UsageSerializer, operation_id="billing_usage", summary="Show how much of its plan the team uses"
    )
    def get(self, request: Request) -> Response:
        plan = entitlements.plan_of(self.team)
        usage = {
            "plan": plan.key,
            "upgrade_url": entitlements.upgrade_url(self.team),
            "meters": entitlements.meters(self.team, plan),
        }
        return Response(UsageSerializer(usage).data)
