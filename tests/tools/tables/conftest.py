"""Two ways to query: in this process, and through the child process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools import tables
from tools.tables import asking

Ask = Callable[..., tables.TableAnswer]


@pytest.fixture
def ask(workspace_dir: Path, tmp_path: Path) -> Ask:
    """Function that queries in this process, which saves a tenth of a second for each case."""
    (tmp_path / "scratch").mkdir()
    return lambda sql, max_rows=200: asking.ask(workspace_dir, sql, max_rows, tmp_path / "scratch")


@pytest.fixture
def ask_confined(workspace_dir: Path) -> Ask:
    """Function that queries through the child process."""

    def ask(sql: str, **more: Any) -> tables.TableAnswer:
        return tables.query(workspace_dir, sql, max_rows=200, cancelled=lambda: False, **more)

    return ask
