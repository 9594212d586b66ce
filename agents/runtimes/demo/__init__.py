"""Demo runtime: offline and free. All its output states that no model was involved."""

from __future__ import annotations

from agents.runtimes.base import Runtime
from agents.runtimes.demo.runtime import DemoRuntime

__all__ = ["DemoRuntime", "runtime"]


def runtime() -> Runtime:
    """Return the runtime of this process."""
    from django.conf import settings

    return DemoRuntime(delay_ms=settings.DEMO_DELAY_MS)
