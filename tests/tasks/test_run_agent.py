"""Runs from the terminal."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Team, User
from agents.runtimes.base import Stop
from tasks.management import terminal
from tasks.models import HumanRequest, Run
from tests.factories import AgentFactory, RunFactory
from tests.tasks.scripted import Scripted, call, say

pytestmark = pytest.mark.usefixtures("driver", "alice")
Play = Callable[..., Scripted]
TOOLS = [{"tool": name, "policy": "allow"} for name in ("write_file", "read_file", "ask_human", "report_progress")]


@pytest.fixture
def ada(team: Team) -> Any:
    return AgentFactory(team=team, name="Ada", role="Data analyst", version__tools=TOOLS)


@pytest.fixture
def run_agent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str]]:
    """Function that runs the command with typed lines. Returns exit code and output."""

    def run(*args: str, typed: tuple[str, ...] = ()) -> tuple[int, str]:
        out, lines = io.StringIO(), iter(typed)
        monkeypatch.setattr("sys.stdout", out)
        monkeypatch.setattr("builtins.input", lambda prompt="": out.write(prompt) and next(lines))
        try:
            call_command("run_agent", *args, "--out", str(tmp_path / "out"), stdout=out)
        except SystemExit as end:
            return int(end.code or 0), out.getvalue()
        return 0, out.getvalue()

    return run


def test_it_shows_the_run_asks_and_saves_the_files(
    scripted: Play, ada: Any, run_agent: Callable[..., tuple[int, str]], tmp_path: Path, alice: User
) -> None:
    data = tmp_path / "data.csv"
    data.write_text("a,b\n1,2\n")
    scripted(
        [say("I look."), call("report_progress", done=1, total=2, label="Reading")],
        [call("ask_human", question="Which column?", choices=["a", "b"])],
        [call("write_file", path="report.md", content="# b\n")],
        [say("Column b it is.")],
    )

    code, shown = run_agent("What drives b?", "--agent", "data analyst", "--file", str(data), typed=("2",))

    assert code == 0
    assert "● Ada: What drives b?" in shown
    assert "[████████████············]  50%  Reading" in shown
    assert "? Which column?\n  1) a\n  2) b\n> " in shown
    assert "+ report.md  (4 bytes)" in shown
    assert shown.rstrip().endswith("Column b it is.")
    assert (tmp_path / "out" / "report.md").read_text() == "# b\n"
    asked = HumanRequest.objects.get()
    assert (asked.answer, asked.answered_by) == ({"value": "b"}, alice)


def test_a_failed_run_exits_with_1(scripted: Play, ada: Any, run_agent: Callable[..., tuple[int, str]]) -> None:
    scripted((Stop.REFUSAL, [say("No.")]))

    code, shown = run_agent("Go", "--agent", "Ada")

    assert code == 1
    assert "■ failed in" in shown


def test_with_nobody_to_ask_the_run_waits_and_it_exits_with_3(
    scripted: Play, ada: Any, run_agent: Callable[..., tuple[int, str]]
) -> None:
    scripted([call("ask_human", question="Which column?")], [say("Never.")])

    code, shown = run_agent("Go", "--agent", "Ada", "--no-input")

    assert code == 3
    assert Run.objects.get().status == "waiting"
    assert "■" not in shown


@pytest.mark.promise("G21")
def test_an_approval_in_the_terminal_hides_nothing(alice: User, team: Team) -> None:
    run = RunFactory(agent=AgentFactory(team=team), status="waiting", waiting_kind="approval")
    call = {"tool": "write_file", "arguments": {"path": "a\u202etxt.exe", "content": "one\x1b[2K"}}
    asked = HumanRequest.objects.create(team=team, run=run, kind="approval", title="Write", **call, digest="sha256:1")
    out, typed = io.StringIO(), iter(["reject", "No."])

    terminal._answer(asked, actor=alice, ask=lambda prompt: next(typed), out=out)

    assert "a\\u202etxt.exe" in out.getvalue()
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()


def test_an_unknown_agent_is_one_clear_sentence(ada: Any, run_agent: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(CommandError, match=r"There is no agent named 'Bea'. Agents here: Ada \(Data analyst\)."):
        run_agent("Go", "--agent", "Bea")

    assert not Run.objects.exists()


def test_a_missing_file_starts_nothing(ada: Any, run_agent: Callable[..., tuple[int, str]]) -> None:
    with pytest.raises(CommandError, match=r"There is no file nowhere.csv."):
        run_agent("Go", "--agent", "Ada", "--file", "nowhere.csv")

    assert not Run.objects.exists()
