"""Workspace for the demo's scripts: the real tools on a real folder, and a person with scripted answers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.runtimes.demo import DemoRuntime
from tests.agents.playing import Answer, Play, play
from tests.tools.conftest import Heard, Notebook
from tools import catalog
from tools.arguments import check
from tools.runner import run_tool
from tools.spec import ToolContext

ANALYST = (
    "list_files", "read_file", "query_table", "draw_chart", "write_file", "ask_human", "report_progress", "remember",
    "recall", "email_report",
)  # fmt: skip
NO_CHART = tuple(tool for tool in ANALYST if tool != "draw_chart")
"""Analyst's tools without charts: drawing takes a second, and few tests are about it."""
WRITER = ("list_files", "read_file", "write_file", "ask_human", "report_progress")
SYSTEM = "You are careful.\n\n# This run\nThe person who started this run: ada@example.com."
REJECTED = ("A person did not allow this call. They said: not yet", True)
SENT = ("Sent.", False)


@dataclass
class DemoWorkspace:
    """Folder and people of one run. `broken` maps tools to the number of their first calls that fail."""

    folder: Path
    person_says: str = "Decide for me"
    mail: Answer = SENT
    broken: dict[str, int] = field(default_factory=dict)
    reporter: Heard = field(default_factory=Heard)
    memory: Notebook = field(default_factory=Notebook)

    def attach(self, *files: Path) -> None:
        for file in files:
            shutil.copy(file, self.folder)

    def write(self, name: str, content: str | bytes) -> None:
        (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def work(
        self, prompt: str, *comments: str, tools: Sequence[str] = ANALYST, system: str = SYSTEM, delay_ms: float = 0
    ) -> Play:
        """Play the demo to its end. Every call must match its tool's schema."""
        names = [path.name for path in sorted(self.folder.iterdir())]
        attached = "".join(f"\n- {name} (1 bytes, text/csv)" for name in names)
        prompt = f"{prompt}\n\nAttached files, in your workspace:{attached}" if names else prompt
        return play(
            DemoRuntime(delay_ms=delay_ms), prompt, tools=tools, answer=self.answer, comments=comments, system=system
        )

    def answer(self, tool: str, arguments: Mapping[str, Any]) -> Answer:
        spec = catalog.builtin(tool)
        problem = check(spec, arguments)
        assert problem is None, f"{tool}: {problem}"
        if self.broken.get(tool):
            self.broken[tool] -= 1
            return f"{tool} is not available.", True
        if tool == "ask_human":
            return f"ada@example.com answered: {self.person_says}", False
        if tool == "email_report":
            return self.mail
        result = run_tool(spec, self._context(), arguments)
        return result.content, result.is_error

    def _context(self) -> ToolContext:
        return ToolContext(
            run_id="run",
            team_id="team",
            idempotency_key="key",
            workspace=self.folder,
            memory=self.memory,
            reporter=self.reporter,
            cancelled=lambda: False,
        )
