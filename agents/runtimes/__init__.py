"""The runtimes by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from django.conf import settings

from agents.runtimes.base import Runtime

RUNTIMES = ("anthropic", "demo")


@cache
def get_runtime(name: str) -> Runtime:
    """The process-wide runtime of that name, or KeyError."""
    if name not in RUNTIMES:
        raise KeyError(name)
    runtime: Runtime = import_module(f"agents.runtimes.{name}").runtime()
    return runtime


def warm_up() -> None:
    """Load what this installation calls. It takes seconds of the processor, in which no lease would be renewed."""
    if settings.ANTHROPIC_API_KEY:
        get_runtime("anthropic")
