from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ToolsConfig(AppConfig):
    name = "tools"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Add the SPECS of the module that EXTRA_TOOLS names. The fault tests use it."""
        from django.conf import settings

        from tools import catalog

        if settings.EXTRA_TOOLS:
            for spec in import_module(settings.EXTRA_TOOLS).SPECS:
                catalog.add(spec)
