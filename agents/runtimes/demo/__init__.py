"""The demo runtime: works offline, costs nothing, and says on everything that it made that no model was behind it."""

from __future__ import annotations

from agents.runtimes.base import Runtime
from agents.runtimes.demo.runtime import DemoRuntime

__all__ = ["DemoRuntime", "runtime"]


def runtime() -> Runtime:
    """The runtime of this process."""
    from django.conf import settings

    return DemoRuntime(delay_ms=settings.DEMO_DELAY_MS)
