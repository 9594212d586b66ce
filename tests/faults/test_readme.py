"""The commands of README lead from sign-up to a finished run, as they stand there, on a server like anybody's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.embedded.processes import wait_until
from tests.faults.installation import ROOT, Installation

SECTION = "## The API in ten commands"
KEEP = "{ declare -p U JSON TOKEN KEY AGENT FILE RUN 2>/dev/null; declare -f field; }"


@pytest.fixture
def deskhand() -> Iterator[Installation]:
    folder = Path(tempfile.mkdtemp(prefix="deskhand-readme-"))
    folder.chmod(0o711)
    installation = Installation(folder / "var")
    yield installation
    installation.remove()
    shutil.rmtree(folder)


def commands() -> tuple[str, list[str]]:
    """What comes before the first command, and the commands."""
    section = (ROOT / "README.md").read_text().partition(SECTION)[2]
    block = re.search(r"```bash\n(.*?)```", section, re.DOTALL)
    assert block is not None
    before, *numbered = re.split(r"(?m)^# \d+\. .*\n", block[1])
    return before, [command.strip() for command in numbered]


class Shell:
    """One bash that is told one command after the other, as by a person."""

    def __init__(self, deskhand: Installation, folder: Path) -> None:
        self.deskhand = deskhand
        (folder / "docs").symlink_to(ROOT / "docs")
        (folder / "var").symlink_to(deskhand.home)
        self.folder = folder

    def tell(self, command: str) -> str:
        """What the command prints. All commands before it are known by what they have set."""
        keep = self.folder / "state"
        script = f"[ -f {keep} ] && . {keep}; set -o pipefail\n{command}\ncode=$?\n{KEEP} > {keep}\nexit $code\n"
        done = subprocess.run(
            ["bash", "-c", script.replace("http://127.0.0.1:8000", self.deskhand.url)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def test_ten_commands_lead_from_sign_up_to_a_finished_run(deskhand: Installation, tmp_path: Path) -> None:
    assert shutil.which("curl"), "README's commands need curl: install it (apt install curl) and run the tests again."
    before, ten = commands()
    assert (len(ten), sum(command.count("curl ") for command in ten)) == (10, 10)
    deskhand.serve(DESKHAND_DEMO_DELAY_MS="0")
    shell = Shell(deskhand, tmp_path)

    shell.tell(before)
    shell.tell(ten[0])
    mails = deskhand.home / "mail"
    assert wait_until(lambda: any("confirm-email" in mail.read_text() for mail in mails.glob("*")), 20)
    said = [shell.tell(command) for command in ten[1:]]

    assert json.loads(said[0]) == {"email": "you@example.com"}
    assert '"kind": "end", "status": "succeeded"' in said[6] or '"kind":"end","status":"succeeded"' in said[6]
    run = json.loads(said[7])
    assert (run["status"], run["badge"], run["agent"]["name"]) == ("succeeded", "Demo model", "Ana")
    with tarfile.open(tmp_path / "first-run.tar.gz") as bundle:
        assert {"run.json", "events.ndjson", "receipt.json", "files/report.md"} <= set(bundle.getnames())
