from __future__ import annotations

from django.apps import AppConfig


class AgentsConfig(AppConfig):
    name = "agents"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from agents.models import Agent
        from billing import entitlements
        from billing.plans import Limit

        entitlements.counted_by(Limit.AGENTS, lambda team: Agent.objects.for_team(team).present().count())
