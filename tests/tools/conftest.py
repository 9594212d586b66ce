"""Context for tools. It has a workspace on disk, and a reporter and a memory that record their calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.spec import ToolContext


@dataclass
class Heard:
    """Reporter that records what it is told."""

    progressed: list[tuple[float, float, str]] = field(default_factory=list)
    logged: list[str] = field(default_factory=list)

    def progress(self, *, done: float, total: float, label: str) -> None:
        self.progressed.append((done, total, label))

    def log(self, *, text: str) -> None:
        self.logged.append(text)


@dataclass
class Notebook:
    """Memory of an agent, kept in a list."""

    facts: list[str] = field(default_factory=list)

    def remember(self, *, text: str) -> str:
        if text not in self.facts:
            self.facts.append(text)
        return str(self.facts.index(text))

    def recall(self, *, query: str, limit: int) -> Sequence[str]:
        words = query.lower().split()
        return [fact for fact in self.facts if any(word in fact.lower() for word in words)][:limit]


@pytest.fixture
def workspace_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def ctx(workspace_dir: Path) -> ToolContext:
    return ToolContext(
        run_id="01900000-0000-7000-8000-000000000001",
        team_id="01900000-0000-7000-8000-000000000002",
        idempotency_key="key-1",
        workspace=workspace_dir,
        memory=Notebook(),
        reporter=Heard(),
        cancelled=lambda: False,
    )
