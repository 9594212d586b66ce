"""What the tests of runtimes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.agents.desk import DeskOf


@pytest.fixture
def desk(tmp_path: Path) -> DeskOf:
    return DeskOf(tmp_path)
