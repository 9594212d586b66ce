"""Which runtimes and models an agent can be given on this installation."""

from __future__ import annotations

from django.conf import settings

from agents.models import Runtime
from billing.models import Price

DEMO_MODEL = "demo-1"
BALANCED = "sonnet"


def has_real_models() -> bool:
    """Whether this installation can call a real model."""
    return bool(settings.ANTHROPIC_API_KEY)


def default_runtime() -> str:
    """What a new agent starts with: a real model wherever there is one."""
    return Runtime.ANTHROPIC if has_real_models() else Runtime.DEMO


def models_of(runtime: str) -> list[str]:
    """The models that the runtime offers: those with a price, so that no call can cost an unknown amount."""
    if runtime == Runtime.DEMO:
        return [DEMO_MODEL]
    return list(Price.objects.order_by("model").values_list("model", flat=True).distinct())


def default_model(runtime: str) -> str:
    """The balanced model of the runtime, newest first."""
    offered = models_of(runtime)
    return next((model for model in reversed(offered) if BALANCED in model), offered[-1] if offered else "")
