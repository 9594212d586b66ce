"""Admin pages of plans, prices, limits and the read-only usage ledger, for operators."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.admin_base import AuditedAdmin, ReadOnlyAdmin
from billing import entitlements, services
from billing.models import Budget, Price, Reservation, TeamPlan, UsageRecord


@admin.register(TeamPlan)
class TeamPlanAdmin(AuditedAdmin):
    list_display = ["team", "plan", "updated_at"]
    list_filter = ["plan"]
    list_select_related = ["team"]
    search_fields = ["team__name", "team__slug"]
    readonly_fields = ["team", "updated_at"]

    def save_model(self, request: HttpRequest, obj: TeamPlan, form: Any, change: bool) -> None:
        operator: Any = request.user
        entitlements.assign_plan(team=obj.team, actor=operator, plan=obj.plan)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TeamPlan | None = None) -> bool:
        return False


@admin.register(Price)
class PriceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = [
        "model",
        "effective_from",
        "ends_on",
        "input_usd",
        "output_usd",
        "cache_read_usd",
        "cache_write_usd",
    ]
    list_filter = ["model"]
    search_fields = ["model"]
    ordering = ["model", "-effective_from"]


@admin.register(UsageRecord)
class UsageRecordAdmin(ReadOnlyAdmin):
    list_display = ["at", "team", "agent_label", "model", "outcome", "input_tokens", "output_tokens", "cost_usd"]
    list_filter = ["outcome", "kind", "model", "at"]
    list_select_related = ["team"]
    search_fields = ["key", "provider_id", "run_id", "agent_label", "team__slug"]


@admin.register(Budget)
class BudgetAdmin(AuditedAdmin):
    """Admin page of budgets. A new limit goes through the service, so that runs that waited for it continue."""

    list_display = ["team", "agent_id", "limit_usd", "spent_usd", "reserved_usd", "period"]
    list_select_related = ["team"]
    search_fields = ["team__name", "team__slug", "agent_id"]
    readonly_fields = ["team", "agent_id", "period", "spent_usd", "reserved_usd", "warned_at", "created_at"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Budget, form: Any, change: bool) -> None:
        operator: Any = request.user
        services.set_budget(team=obj.team, actor=operator, limit_usd=obj.limit_usd, agent_id=obj.agent_id)


@admin.register(Reservation)
class ReservationAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "team", "run_id", "key", "amount_usd"]
    list_select_related = ["team"]
    search_fields = ["run_id", "key"]
