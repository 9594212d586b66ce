"""Runtimes by name."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from django.conf import settings

from agents.models import Runtime as RuntimeName
from agents.runtimes.base import Runtime


@cache
def get_runtime(name: str) -> Runtime:
    """Return the process-wide runtime of that name. Raises KeyError for an unknown name."""
    if name not in RuntimeName.values:
        raise KeyError(name)
    runtime: Runtime = import_module(f"agents.runtimes.{name}").runtime()
    return runtime


def warm_up() -> None:
    """Load the runtimes that this installation calls.

    It takes seconds of processor time, during which no lease could be renewed.
    """
    if settings.ANTHROPIC_API_KEY:
        get_runtime("anthropic")
