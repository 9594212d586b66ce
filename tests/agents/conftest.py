"""Fixtures for the tests of runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.demo_workspace import DemoWorkspace


@pytest.fixture
def workspace(tmp_path: Path) -> DemoWorkspace:
    return DemoWorkspace(tmp_path)
