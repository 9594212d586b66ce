from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ToolsConfig(AppConfig):
    name = "tools"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """What the module of that setting defines as SPECS becomes part of the product, as the fault tests need it."""
        from django.conf import settings

        from tools import registry

        if settings.EXTRA_TOOLS:
            for spec in import_module(settings.EXTRA_TOOLS).SPECS:
                registry.add(spec)
