from __future__ import annotations

from django.apps import AppConfig
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


class BillingConfig(AppConfig):
    name = "billing"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from billing import receivers  # noqa: F401
        from billing.plans import PLANS

        if settings.DEFAULT_PLAN not in PLANS:
            raise ImproperlyConfigured(f"DESKHAND_DEFAULT_PLAN is one of {', '.join(PLANS)}.")
