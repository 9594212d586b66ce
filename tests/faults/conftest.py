"""Fixtures that the fault tests share with the tests of runs."""

from __future__ import annotations

from tests.tasks.conftest import fast_engine, scripted

__all__ = ["fast_engine", "scripted"]
