"""API as integrators meet it: README's commands, and a server killed in the middle of a call."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from config.embedded.processes import wait_until
from tests.faults.installation import ROOT, Installation
from tests.timeouts import PATIENCE_S

SECTION = "## The API in ten commands"
KEEP = "{ declare -p U JSON TOKEN KEY AGENT FILE RUN 2>/dev/null; declare -f field; }"


@pytest.fixture(scope="module")
def deskhand() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="deskhand-readme-"))
    folder.chmod(0o711)
    installation = Installation(folder / "var")
    installation.serve(DESKHAND_DEMO_DELAY_MS="0", DESKHAND_API_RATE="10000/min", DESKHAND_TEAM_API_RATE="10000/min")
    yield installation
    installation.remove()
    shutil.rmtree(folder)


def commands() -> tuple[str, list[str]]:
    """Return the text before the first command, and the commands."""
    section = (ROOT / "README.md").read_text().partition(SECTION)[2]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block is not None
    before, *numbered = re.split(r"(?m)^# \d+\. .*\n", block[1])
    return before, [command.strip() for command in numbered]


class Shell:
    """Bash session that runs one command after the other, as a person would."""

    def __init__(self, deskhand: Installation, folder: Path) -> None:
        self.deskhand = deskhand
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / "var").symlink_to(deskhand.home)
        self.folder = folder

    def tell(self, command: str) -> str:
        """Run a command and return its output. Variables of earlier commands are set."""
        keep = self.folder / "state"
        script = f"[ -f {keep} ] && . {keep}; set -o pipefail\n{command}\ncode=$?\n{KEEP} > {keep}\nexit $code\n"
        done = subprocess.run(
            ["bash", "-c", script.replace("http://127.0.0.1:8000", self.deskhand.url)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=5 * PATIENCE_S,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_ten_commands_lead_from_sign_up_to_a_finished_run(deskhand: Installation, tmp_path: Path) -> None:
    assert shutil.which("curl"), "README's commands need curl: install it (apt install curl) and run the tests again."
    before, ten = commands()
    assert (len(ten), sum(command.count("curl ") for command in ten)) == (10, 10)
    shell = Shell(deskhand, tmp_path)

    shell.tell(before)
    shell.tell(ten[0])
    mails = deskhand.home / "mail"
    assert wait_until(lambda: any("confirm-email" in mail.read_text() for mail in mails.glob("*")), PATIENCE_S)
    outputs = [shell.tell(command) for command in ten[1:]]

    assert json.loads(outputs[0]) == {"email": "you@example.com"}
    assert '"kind": "end", "status": "succeeded"' in outputs[6] or '"kind":"end","status":"succeeded"' in outputs[6]
    run = json.loads(outputs[7])
    assert (run["status"], run["badge"], run["agent"]["name"]) == ("succeeded", "Demo model", "Ana")
    with tarfile.open(tmp_path / "first-run.tar.gz") as bundle:
        assert {"run.json", "events.ndjson", "receipt.json", "files/report.md"} <= set(bundle.getnames())


def call(deskhand: Installation, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    """Return the status and the JSON of a response; status 0 if the connection broke."""
    sent = {"Authorization": f"Bearer {deskhand.demo['api_key']}", "Content-Type": "application/json"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    url = path if path.startswith("http") else f"{deskhand.url}/api/v1{path}"
    data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310 - our own
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, None


@pytest.mark.promise("G10")
def test_a_server_killed_in_the_middle_starts_each_run_once(deskhand: Installation) -> None:
    agent = call(deskhand, "GET", "/agents/")[1]["results"][0]["id"]
    answered = threading.Semaphore(0)

    def start(n: int) -> tuple[int, Any]:
        body = {"agent": agent, "prompt": "Go.", "metadata": {"test": "killed", "n": n}}
        found = call(deskhand, "POST", "/runs/", body, Idempotency_Key=f"killed-{n}")
        answered.release()
        return found

    with ThreadPoolExecutor(16) as pool:
        first = pool.map(start, range(60))
        for _ in range(15):
            answered.acquire()
        os.kill(deskhand.pids("web")[0], signal.SIGKILL)
        before = list(first)
    assert wait_until(lambda: call(deskhand, "GET", "/me/")[0] == 200, 2 * PATIENCE_S)
    with ThreadPoolExecutor(16) as pool:
        again = list(pool.map(start, range(60)))

    cut = [n for n, (status, _) in enumerate(before) if status != 201]
    assert cut, "the kill came too late to cut anything"
    assert {status for status, _ in again} == {201}
    assert all(before[n][1]["id"] == again[n][1]["id"] for n in range(60) if n not in cut)
    listed = call(deskhand, "GET", "/runs/?limit=200")[1]["results"]
    assert sorted(run["metadata"]["n"] for run in listed if run["metadata"].get("test") == "killed") == list(range(60))
