"""Anthropic runtime: one streaming Messages API call per turn."""

from __future__ import annotations

from agents.runtimes.anthropic.runtime import AnthropicRuntime
from agents.runtimes.base import Runtime

__all__ = ["AnthropicRuntime", "runtime"]


def runtime() -> Runtime:
    """Return the runtime of this process."""
    from django.conf import settings

    return AnthropicRuntime(
        api_key=settings.ANTHROPIC_API_KEY, base_url=settings.ANTHROPIC_BASE_URL, silence_s=settings.MODEL_SILENCE_S
    )
