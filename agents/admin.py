"""Admin pages of agents, for operators. Teams change their agents themselves; operators pause and resume them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.admin_base import ReadOnlyAdmin, each
from agents.models import Agent, AgentVersion, Memory
from agents.services import agents


@admin.register(Agent)
class AgentAdmin(ReadOnlyAdmin):
    list_display = ["name", "role", "team", "status", "version", "max_concurrent_runs", "created_at"]
    list_filter = ["status", "role", "created_at"]
    list_select_related = ["team", "version__agent"]
    search_fields = ["id", "name", "role", "team__name", "team__slug"]
    actions = ["pause", "resume"]

    @admin.action(description="Pause: start nothing new")
    def pause(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda agent: agents.pause_agent(agent=agent, actor=operator), "paused")

    @admin.action(description="Resume")
    def resume(self, request: HttpRequest, queryset: QuerySet[Agent]) -> None:
        operator: Any = request.user
        each(request, queryset, lambda agent: agents.resume_agent(agent=agent, actor=operator), "resumed")


@admin.register(AgentVersion)
class AgentVersionAdmin(ReadOnlyAdmin):
    list_display = ["agent", "number", "runtime", "model", "team", "created_by", "created_at"]
    list_filter = ["runtime", "model", "created_at"]
    list_select_related = ["agent", "team", "created_by"]
    search_fields = ["agent__id", "agent__name", "team__slug"]


@admin.register(Memory)
class MemoryAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "team", "agent", "text", "accepted_at"]
    list_select_related = ["team", "agent"]
    search_fields = ["agent__name", "team__slug", "run_id"]
