"""Backup of a busy installation: back up, destroy, restore; every run that was in progress ends right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from config.embedded.processes import wait_until
from tests.chaos.api import Api
from tests.faults.installation import ROOT, Installation
from tests.standins.anthropic import Answer, AnthropicStandIn, message, text, tool_use
from tests.timeouts import PATIENCE_S

TOOLS = ("write_file", "ask_human", "ship")
LONG_S = 600.0


@dataclass
class Receiver:
    """Carrier that counts every order; the test decides when `held` orders get their response."""

    orders: Counter[str] = field(default_factory=Counter)
    release: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["order"]
                receiver.orders[order] += 1
                if order.startswith("held"):
                    receiver.release.wait(LONG_S)
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    pass  # the caller has been killed

            def log_message(self, format: str, *args: object) -> None:
                """Drop the access log."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@dataclass
class Model:
    """Model whose answer follows from the prompt `<kind> <order>` and the turn; a `long` run thinks until released."""

    is_slow: bool = True
    thinking: set[str] = field(default_factory=set)

    def answer(self, body: Mapping[str, Any]) -> Answer:
        content = body["messages"][0]["content"]
        kind, order, *_ = (content if isinstance(content, str) else content[0]["text"]).split()
        turn = sum(1 for each in body["messages"] if each["role"] == "assistant")
        calls = {
            "ask": [tool_use("ask_human", {"question": "Which?", "choices": ["left", "right"]})],
            "ship": [tool_use("ship", {"order": order})],
        }.get(kind, [tool_use("write_file", {"path": f"{order}.md", "content": content_of(order)})])
        if turn < len(calls):
            return message(text(f"Turn {turn + 1}."), calls[turn], delay_s=0.1)
        if kind == "long" and self.is_slow:
            self.thinking.add(order)
            return message(text("Never said."), delay_s=LONG_S)
        return message(text(f"{order} is done."), delay_s=0.1)


def content_of(order: str) -> str:
    return f"# {order}\n" * 500


class World:
    """One installation with its model, its carrier and a client of its API."""

    def __init__(self, folder: Path) -> None:
        self.desk = Installation(folder / "var")
        self.folder = folder
        self.model = Model()
        self.claude = AnthropicStandIn(otherwise=self.model.answer, keep=0)
        self.receiver = Receiver()
        self.agents: dict[str, str] = {}

    @property
    def api(self) -> Api:
        return Api(self.desk.url, self.desk.demo["api_key"], Counter())

    def serve(self) -> None:
        self.desk.serve(
            ANTHROPIC_API_KEY="test",
            ANTHROPIC_BASE_URL=self.claude.url,
            DESKHAND_API_RATE="1000000/min",
            DESKHAND_TEAM_API_RATE="1000000/min",
            DESKHAND_LEASE_S="6",
            DESKHAND_HEARTBEAT_S="1",
            DESKHAND_POLL_S="1",
            DESKHAND_EXTRA_TOOLS="tests.faults.slow_tool",
            SHIPPING=self.receiver.url,
        )

    def hire(self) -> None:
        for name, most, policy in (("free", 100, "allow"), ("careful", 100, "ask"), ("single", 1, "allow")):
            body = {
                "name": name, "instructions": "Do it.", "runtime": "anthropic", "model": "claude-haiku-4-5",
                "tools": [{"tool": tool, "policy": policy if tool == "ship" else "allow"} for tool in TOOLS],
                "memory_enabled": False, "limits": {"max_concurrent_runs": most},
            }  # fmt: skip
            self.agents[name] = self.ok("POST", "/agents/", body)["id"]

    def ok(self, method: str, path: str, body: Any = None) -> Any:
        status, answer = self.api.call(method, path, body, timeout_s=PATIENCE_S)
        assert status < 300, answer
        return answer

    def run(self, agent: str, prompt: str) -> str:
        return str(self.ok("POST", "/runs/", {"agent": self.agents[agent], "prompt": prompt})["id"])

    def status(self, run: str) -> str:
        return str(self.ok("GET", f"/runs/{run}/")["status"])

    def asked(self, run: str) -> list[dict[str, Any]]:
        return [one for one in self.ok("GET", "/inbox/?limit=200")["results"] if one["run"] == run]

    def reaches(self, run: str, *statuses: str) -> None:
        assert wait_until(lambda: self.status(run) in statuses, 4 * PATIENCE_S), self.ok("GET", f"/runs/{run}/")

    def reply(self, run: str, kind: str, **body: Any) -> None:
        assert wait_until(lambda: [one["kind"] for one in self.asked(run)] == [kind], 4 * PATIENCE_S), self.asked(run)
        [one] = self.asked(run)
        if kind == "approval":
            body["digest"] = one["digest"]
        self.ok("POST", f"/runs/{run}/requests/{one['id']}/answer/", body)

    def files(self, run: str) -> dict[str, str]:
        """Return the content of the run's artifacts by path."""
        found = {}
        for one in self.ok("GET", f"/runs/{run}/artifacts/")["results"]:
            url = f"{self.desk.url}/api/v1/artifacts/{one['id']}/download/"
            request = urllib.request.Request(url, headers={"Authorization": f"Bearer {self.api.key}"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
                found[one["path"]] = answer.read().decode()
        return found

    def manage(self, *arguments: str, settings: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Run `manage.py` as in another terminal; return exit code and output."""
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {"DESKHAND_VAR": str(self.desk.home), "DESKHAND_EXTRA_TOOLS": "tests.faults.slow_tool"}
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=environment | dict(settings or {}),
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def close(self) -> None:
        self.receiver.release.set()
        self.desk.remove()
        self.receiver.server.shutdown()


@pytest.fixture
def world() -> Iterator[World]:
    folder = Path(tempfile.mkdtemp(prefix="deskhand-backup-"))
    folder.chmod(0o711)
    world = World(folder)
    with world.claude:
        try:
            yield world
        finally:
            world.close()
            shutil.rmtree(folder)


class Churn:
    """Load of runs with files, started one after the other during the backup."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._start_runs)
        self.runs: list[str] = []

    def __enter__(self) -> Churn:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _start_runs(self) -> None:
        while not self._over.wait(0.5):
            self.runs.append(self._world.run("free", f"files churn-{len(self.runs)}"))


def test_a_busy_installation_is_backed_up_destroyed_and_restored_with_its_runs_under_way(world: World) -> None:
    backup = world.folder / "backup"
    world.serve()
    world.hire()
    done = world.run("free", "files early")
    asking = world.run("free", "ask question")
    approving = world.run("careful", "ship careful-order")
    thinking = world.run("single", "long slow")
    queued = [world.run("single", f"files queued-{n}") for n in range(3)]
    calling = world.run("free", "ship held-order")
    world.reaches(done, "succeeded")
    world.reaches(asking, "waiting")
    world.reaches(approving, "waiting")
    assert wait_until(lambda: "slow" in world.model.thinking, PATIENCE_S)
    assert wait_until(lambda: world.receiver.orders["held-order"] == 1, PATIENCE_S)
    assert [world.status(run) for run in queued] == ["queued"] * 3

    with Churn(world) as churn:
        assert wait_until(lambda: len(churn.runs) > 3, PATIENCE_S)
        code, output = world.manage("backup", str(backup))

    assert (code, "is whole" in output) == (0, True), output
    after = world.run("free", "files after-the-backup")
    world.desk.kill_everything()
    shutil.rmtree(world.desk.home)
    world.model.is_slow = False
    world.receiver.release.set()

    code, output = world.manage("restore", str(backup))

    assert code == 0, output
    middle, _, later = output.partition("so they may do it a second time")
    assert calling in middle
    assert approving not in middle
    assert {run for run in (asking, approving, thinking, *queued, calling) if run in later} == {
        asking, approving, thinking, *queued, calling,
    }  # fmt: skip
    assert done not in later
    world.serve()
    world.reply(asking, "question", value="left")
    world.reply(approving, "approval", decision="approve")
    world.reply(calling, "unknown_effect", decision="happened")
    for run in (asking, approving, thinking, *queued, calling):
        world.reaches(run, "succeeded")
    assert [world.ok("GET", f"/runs/{run}/")["output"] for run in (asking, approving, thinking, calling)] == [
        "question is done.", "careful-order is done.", "slow is done.", "held-order is done.",
    ]  # fmt: skip
    assert world.receiver.orders == {"held-order": 1, "careful-order": 1}
    assert world.files(done) == {"early.md": content_of("early")}
    assert world.files(thinking) == {"slow.md": content_of("slow")}
    assert [world.files(run) for run in queued] == [{f"queued-{n}.md": content_of(f"queued-{n}")} for n in range(3)]
    assert world.api.call("GET", f"/runs/{after}/")[0] == 404
    kept = [run for run in churn.runs if world.api.call("GET", f"/runs/{run}/")[0] == 200]
    assert kept == churn.runs[: len(kept)]
    assert len(kept) > 3
    for n, run in enumerate(kept):
        world.reaches(run, "succeeded")
        assert world.files(run) == {f"churn-{n}.md": content_of(f"churn-{n}")}
    world.desk.stop()

    code, output = world.manage("restore", str(backup), "--replace", "--cancel-acting")

    assert code == 0, output
    world.serve()
    for run in (asking, approving, thinking, *queued, calling):
        assert world.status(run) == "cancelled"
    assert world.status(done) == "succeeded"
    assert world.receiver.orders == {"held-order": 1, "careful-order": 1}


def test_a_restore_refuses_what_would_lose_something_and_changes_nothing(world: World) -> None:
    desk, backup, sealed = world.desk, world.folder / "backup", world.folder / "sealed"
    desk.serve()
    team = desk.demo["team"]

    assert world.manage("backup", str(backup))[0] == 0
    assert refused(world, "restore", str(backup)) == f"Deskhand runs on {desk.home}: stop it, then restore."
    assert "is there already" in refused(world, "backup", str(backup))
    desk.stop()
    assert world.manage("backup", str(sealed), "--without-keys")[0] == 0
    assert "With --replace the backup takes its place" in refused(world, "restore", str(backup))
    before = (desk.home / "secrets.json").read_text()
    spoil(backup / "database.dump")
    assert "the backup is damaged" in refused(world, "restore", str(backup), "--replace")
    spoil(backup / "database.dump")
    newer(backup, "0999_of_tomorrow")
    assert "newer Deskhand: its migration tasks.0999_of_tomorrow" in refused(world, "restore", str(backup), "--replace")
    newer(backup, None)
    other = {"SECRET_KEY": "another"}
    assert "with another SECRET_KEY" in refused(world, "restore", str(backup), "--replace", settings=other)
    assert (desk.home / "secrets.json").read_text() == before
    assert not (desk.home / ".restoring").exists()

    elsewhere = world.folder / "elsewhere"
    empty = {"DESKHAND_VAR": str(elsewhere)}
    assert "with another SECRET_KEY" in refused(world, "restore", str(sealed), settings=empty)
    secrets = json.loads((elsewhere / "secrets.json").read_text()) | {"secret_key": json.loads(before)["secret_key"]}
    (elsewhere / "secrets.json").write_text(json.dumps(secrets))
    code, output = world.manage("restore", str(sealed), settings=empty)
    assert code == 0, output

    (desk.home / ".restoring").write_text(str(backup))
    desk.start()
    assert desk.wait_end() != 0
    assert "did not come to its end" in desk.output
    code, output = world.manage("restore", str(backup))  # the second try needs no --replace
    assert code == 0, output
    desk.serve()
    assert desk.demo["team"] == team
    assert desk.get("/health/live/")[0] == 200


def refused(world: World, *arguments: str, settings: Mapping[str, str] | None = None) -> str:
    """Return the one sentence of a command that failed."""
    code, output = world.manage(*arguments, settings=settings)
    assert code == 1, output
    lines = output.strip().splitlines()
    assert len(lines) == 1, output
    return lines[0].removeprefix("CommandError: ")


def spoil(path: Path) -> None:
    """Flip one bit; a second call restores it."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def newer(backup: Path, migration: str | None) -> None:
    """Pretend that a newer version made the backup; without a name, undo that."""
    manifest = json.loads((backup / "manifest.json").read_text())
    names = [name for name in manifest["migrations"]["tasks"] if not name.startswith("0999")]
    manifest["migrations"]["tasks"] = [*names, *([migration] if migration else [])]
    (backup / "manifest.json").write_text(json.dumps(manifest))
