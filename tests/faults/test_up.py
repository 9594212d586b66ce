"""`make up`: starts, recovers from a hard kill, explains failures in one sentence, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from config.embedded.processes import born_at, wait_until
from tests.faults.installation import Installation
from tests.timeouts import PATIENCE_S


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """Data folder that the first serving test prepares; later starts are like a person's second start."""
    folder = Path(tempfile.mkdtemp(prefix="deskhand-up-"))
    folder.chmod(0o711)
    yield folder / "var"
    shutil.rmtree(folder)


@pytest.fixture
def deskhand(home) -> Iterator[Installation]:
    installation = Installation(home)
    yield installation
    installation.remove()


def rows(installation: Installation) -> int:
    """Count starts in a table of our own: data that must survive everything."""
    settings = dict(line.split("=", 1) for line in (installation.home / "env").read_text().splitlines())
    with psycopg.connect(settings["DATABASE_URL"].strip('"'), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS starts (at timestamptz DEFAULT now())")
        connection.execute("INSERT INTO starts DEFAULT VALUES")
        return connection.execute("SELECT count(*) FROM starts").fetchone()[0]


def one_sentence(installation: Installation) -> str:
    """Return its output, which is one line without a stack trace; make adds its own lines."""
    lines = [line for line in installation.output.splitlines() if not line.startswith(("make: ", "make["))]
    assert len(lines) == 1, installation.output
    assert "Traceback" not in lines[0]
    return lines[0]


def test_the_first_start_serves_and_says_how_to_get_in(deskhand):
    deskhand.serve()

    assert deskhand.get("/")[0] == 200
    assert f"Deskhand runs at {deskhand.url}" in deskhand.output
    assert "Ctrl-C" in deskhand.output
    status = deskhand.status
    assert status["url"] == deskhand.url
    assert {role: len(pids) for role, pids in status["pids"].items()} == dict.fromkeys(
        ("launcher", "postgres", "valkey", "s3", "web", "worker", "beat"), 1
    )
    rows(deskhand)


def open_to_others(home: Path) -> list[str]:
    """Return the paths below the data folder to which another account of the machine has any access."""
    found = [path for path in home.rglob("*") if not path.is_symlink() and path.stat().st_mode & 0o077]
    return [str(path.relative_to(home)) for path in found if path.relative_to(home).parts[0] not in ("static", "pg")]


def test_nobody_else_on_the_machine_reads_the_data_folder(deskhand):
    """Files that an earlier version left open are closed, too: mails hold links that open accounts."""
    mail = deskhand.home / "mail"
    mail.mkdir(parents=True, exist_ok=True)
    (mail / "old.log").touch(0o644)
    mail.chmod(0o755)
    deskhand.serve()
    assert mail.stat().st_mode & 0o777 == 0o700
    (mail / "old.log").unlink()

    sign_up = json.dumps({"email": "grace@example.com", "password": "correct horse battery"}).encode()
    call = urllib.request.Request(f"{deskhand.url}/api/v1/auth/sign-up/", sign_up, {"Content-Type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(call, timeout=PATIENCE_S) as answer:  # noqa: S310 - our own
        assert answer.status == 202

    assert [path for path in mail.iterdir() if b"/accounts/confirm-email/" in path.read_bytes()] != []
    assert open_to_others(deskhand.home) == []


def test_stopping_ends_every_process_and_keeps_the_data(deskhand):
    deskhand.serve()
    count = rows(deskhand)

    started = time.monotonic()
    deskhand.stop()

    assert time.monotonic() - started < PATIENCE_S
    assert deskhand.left_behind() == []
    assert deskhand.output.rstrip().splitlines()[-1].startswith(("Stopped.", "make: "))
    assert not (deskhand.home / "status.json").exists()
    assert not (deskhand.home / "env").exists()
    deskhand.serve()
    assert rows(deskhand) == count + 1


def test_ctrl_c_in_the_terminal_stops_it(deskhand):
    deskhand.serve()
    _ = deskhand.status

    os.killpg(deskhand.make.pid, signal.SIGINT)
    deskhand.wait_end()

    assert deskhand.left_behind() == []


def test_every_process_killed_at_once_does_not_stop_the_next_start(deskhand):
    deskhand.serve()
    count = rows(deskhand)

    deskhand.kill_everything()
    deskhand.serve()

    assert rows(deskhand) == count + 1
    assert deskhand.get("/")[0] == 200


@pytest.mark.parametrize("victim", ["make", "launcher"])
def test_killing_the_one_at_the_top_leaves_nothing_and_the_next_start_works(deskhand, victim):
    deskhand.serve()
    count = rows(deskhand)
    before = set(deskhand.seen)

    os.kill(deskhand.make.pid if victim == "make" else deskhand.pids("launcher")[0], signal.SIGKILL)
    deskhand.wait_end()
    deskhand.serve()  # at once, while the others are ending

    assert rows(deskhand) == count + 1
    assert not before.intersection(deskhand.left_behind())


def test_a_killed_child_is_started_again_and_the_others_go_on(deskhand):
    deskhand.serve(WORKERS="2")
    before = deskhand.status["pids"]
    assert len(before["worker"]) == 2

    for role in ("worker", "web", "beat", "valkey", "s3", "postgres"):
        os.kill(before[role][0], signal.SIGKILL)

    def is_whole() -> bool:
        now = deskhand.status["pids"]
        return all(
            len(now[role]) == len(before[role]) and before[role][0] not in now[role]
            for role in before
            if role != "launcher"
        )

    assert wait_until(is_whole, 3 * PATIENCE_S), deskhand.status
    assert deskhand.pids("launcher") == before["launcher"]
    assert wait_until(lambda: _is_up(deskhand), PATIENCE_S)
    assert "ended by signal 9" in deskhand.output
    rows(deskhand)


def test_while_one_web_process_lives_nobody_is_refused(deskhand):
    deskhand.serve(WEB="2")
    assert wait_until(lambda: len(deskhand.pids("web")) == 2, PATIENCE_S)
    first, second = deskhand.pids("web")

    for victim, number in ((first, signal.SIGKILL), (second, signal.SIGTERM)):
        os.kill(victim, number)
        assert wait_until(lambda gone=victim: born_at(gone) is None, PATIENCE_S)
        assert [deskhand.get("/health/live/")[0] for _ in range(20)] == [200] * 20
        assert wait_until(lambda gone=victim: len({*deskhand.pids("web")} - {gone}) == 2, PATIENCE_S)

    assert wait_until(lambda: deskhand.get("/health/ready/")[0] == 200, PATIENCE_S)
    deskhand.stop()
    assert deskhand.left_behind() == []


def test_connections_wait_while_the_only_web_process_is_started_again(deskhand):
    """The port stays open: what comes meanwhile is answered by the next process."""
    deskhand.serve()
    os.kill(deskhand.pids("web")[0], signal.SIGKILL)

    assert deskhand.get("/health/live/")[0] == 200


def test_a_second_one_on_the_same_folder_is_refused_and_the_first_goes_on(deskhand):
    deskhand.serve()
    second = Installation(deskhand.home)

    second.start()
    code = second.wait_end()

    assert code != 0
    assert "already runs on" in one_sentence(second)
    assert deskhand.state == "serving"
    assert deskhand.get("/")[0] == 200


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    installation = Installation(tmp_path / "var")
    with socket.socket() as other:
        other.bind(("127.0.0.1", installation.port))
        other.listen()
        installation.start()
        code = installation.wait_end()

    assert code != 0
    assert one_sentence(installation).startswith(f"Port {installation.port} is taken")
    assert not (tmp_path / "var" / "pg").exists()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"PORT": "eighty"}, "PORT must be a number from 1 to 65535, not 'eighty'."),
        ({"WEB": "0"}, "WEB must be a number from 1 to 64, not '0'."),
        ({"WORKERS": "0"}, "WORKERS must be a number from 1 to 64, not '0'."),
        (
            {"BASE_URL": "https://tools.example.com/desk"},
            "BASE_URL is https://tools.example.com/desk, but Deskhand cannot live",
        ),
        ({"DATABASE_URL": "postgres://a:b/c@host/d"}, "DATABASE_URL cannot be read: in its password, write / as %2F"),
        ({"DESKHAND_VAR": "/proc/deskhand"}, "The data folder /proc/deskhand cannot be used"),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path, settings, expected):
    installation = Installation(tmp_path / "var")

    installation.start(**settings)

    assert installation.wait_end() != 0
    assert one_sentence(installation).startswith(expected)


def test_a_broken_data_folder_is_named_and_left_alone(deskhand):
    version = deskhand.home / "pg" / "PG_VERSION"
    version.write_text("17\n")
    try:
        deskhand.start()
        code = deskhand.wait_end()
    finally:
        version.write_text("18\n")

    assert code != 0
    assert "was written by PostgreSQL 17 and this is PostgreSQL 18" in deskhand.output
    assert "Traceback" not in deskhand.output
    assert deskhand.left_behind() == []


def test_parts_that_are_elsewhere_are_used_and_not_started(tmp_path):
    """The services of this test run stand in for a server's own."""
    names = ("DATABASE_URL", "REDIS_URL", "S3_ENDPOINT_URL", "S3_BUCKET", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY")
    installation = Installation(tmp_path / "var")

    installation.serve(**{name: os.environ[name] for name in names})
    try:
        roles = {role for role, pids in installation.status["pids"].items() if pids}
        answer = installation.get("/")[0]
    finally:
        installation.remove()

    assert roles == {"launcher", "web", "worker", "beat"}
    assert answer == 200
    assert not (tmp_path / "var" / "pg").exists()


def _is_up(installation: Installation) -> bool:
    try:
        return installation.get("/")[0] == 200
    except OSError:
        return False
