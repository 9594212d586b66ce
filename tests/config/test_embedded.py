"""Embedded services: they start, keep data, recover from a hard kill, and report what they cannot recover."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import boto3
import psycopg
import pytest
import redis
from botocore.config import Config as BotoConfig

from config.embedded import PartError, Services
from config.embedded.processes import born_at, wait_until, working_in
from config.embedded.services import InUse
from config.embedded.valkey import Valkey
from tests.timeouts import PATIENCE_S

LAUNCHER = """
import sys, time
from config.embedded import Services
services = Services(sys.argv[1], fast=True)
services.start()
print(*(pid for pids in services.pids.values() for pid in pids), flush=True)
time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    """Data folder that PostgreSQL's account can pass through, which pytest's own folders do not allow."""
    folder = Path(tempfile.mkdtemp(prefix="deskhand-embedded-"))
    folder.chmod(0o711)
    yield folder / "var"
    shutil.rmtree(folder)


def start(home: Path, **options) -> Services:
    services = Services(home, fast=True, **options)
    services.start()
    return services


def launch(home: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """Start a launcher in its own process; return it and the pids of its services."""
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, str(home)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    return launcher, [int(pid) for pid in launcher.stdout.readline().split()]


def rows(services: Services) -> list[tuple[object, ...]]:
    with psycopg.connect(services.env["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept SELECT coalesce(max(n), 0) + 1 FROM kept")
        return connection.execute("SELECT n FROM kept ORDER BY n").fetchall()


def test_the_three_services_take_work_and_keep_it_over_a_restart(home):
    services = start(home)
    try:
        redis.Redis.from_url(services.env["REDIS_URL"]).ping()
        bucket = _bucket(services)
        bucket.put_object(Key="reports/report.md", Body=b"# Report")
        assert rows(services) == [(1,)]
    finally:
        services.stop()

    services = start(home)
    try:
        assert rows(services) == [(1,), (2,)]
        assert _bucket(services).Object("reports/report.md").get()["Body"].read() == b"# Report"
    finally:
        services.stop()
    assert list((home / "run").iterdir()) == []


def test_secrets_are_for_their_owner_and_no_process_list_shows_them(home):
    services = start(home)
    try:
        commands = [Path(f"/proc/{pid}/cmdline").read_text() for [pid] in services.pids.values()]
    finally:
        services.stop()

    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600
    assert len(commands) == 3
    assert not [secret for secret in services.keys.values() for command in commands if secret in command]


def test_the_application_role_has_limits_and_no_power_over_the_cluster(home):
    services = start(home)
    try:
        with psycopg.connect(services.env["DATABASE_URL"]) as connection:
            shown = {
                name: connection.execute(f"SHOW {name}").fetchone()[0]
                for name in (
                    "statement_timeout",
                    "lock_timeout",
                    "idle_in_transaction_session_timeout",
                    "max_connections",
                )
            }
            is_superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    finally:
        services.stop()

    assert shown == {
        "statement_timeout": "10s",
        "lock_timeout": "3s",
        "idle_in_transaction_session_timeout": "15s",
        "max_connections": "200",
    }
    assert is_superuser == (False,)


def test_durability_is_on_unless_a_test_asks_otherwise(home):
    services = Services(home)
    services.start()
    try:
        with psycopg.connect(services.env["DATABASE_URL"]) as connection:
            shown = [connection.execute(f"SHOW {name}").fetchone()[0] for name in ("fsync", "synchronous_commit")]
        persisted = redis.Redis.from_url(services.env["REDIS_URL"], decode_responses=True).config_get("appendonly")
    finally:
        services.stop()

    assert shown == ["on", "on"]
    assert persisted == {"appendonly": "yes"}


def test_a_part_that_is_elsewhere_is_not_started(home):
    services = start(home, only=["valkey"])
    try:
        assert set(services.env) == {"REDIS_URL"}
        assert set(services.pids) == {"valkey"}
    finally:
        services.stop()
    assert not (home / "pg").exists()


def test_a_second_launcher_on_the_same_folder_is_refused(home):
    services = start(home)
    try:
        with pytest.raises(InUse, match="already runs on"):
            Services(home)
        assert rows(services) == [(1,)]
    finally:
        services.stop()


def test_nothing_outlives_a_launcher_that_is_killed(home):
    launcher, pids = launch(home)

    launcher.kill()

    assert len(pids) == 3
    assert wait_until(lambda: not [pid for pid in pids if born_at(pid)], PATIENCE_S)
    launcher.wait()


def test_everything_killed_at_once_starts_again_with_its_data(home):
    services = start(home)
    rows(services)
    services.stop()
    launcher, pids = launch(home)

    for pid in [launcher.pid, *pids]:
        os.kill(pid, signal.SIGKILL)
    services = start(home)  # at once, while zombies and orphaned backends exist

    try:
        assert rows(services) == [(1,), (2,)]
    finally:
        services.stop()
        launcher.wait()


def test_orphans_of_an_earlier_launcher_are_ended_before_a_new_start(home):
    services = start(home)
    orphans = [pid for pids in services.pids.values() for pid in pids]
    rows(services)
    services._lock.close()  # as if the launcher had died and the kernel had not signalled the children

    again = start(home)

    try:
        assert not [pid for pid in orphans if born_at(pid)]
        assert rows(again) == [(1,), (2,)]
    finally:
        again.stop()
        services.stop()


def test_a_half_made_cluster_never_has_the_real_name(home):
    home.mkdir()
    (home / "pg.new-123").mkdir()
    (home / "pg.new-123" / "PG_VERSION").write_text("18")

    services = start(home)

    try:
        assert not (home / "pg.new-123").exists()
        assert rows(services) == [(1,)]
    finally:
        services.stop()


def test_valkey_files_that_cannot_be_read_are_put_aside(home):
    services = Services(home, only=["valkey"])
    services.start()
    services.stop()
    [manifest] = Path(home / "valkey").rglob("*.manifest")
    manifest.write_text("nonsense")

    services = Services(home, only=["valkey"])
    services.start()

    try:
        assert redis.Redis.from_url(services.env["REDIS_URL"]).ping() is True
        assert len(list(home.glob("valkey.unreadable-*"))) == 1
    finally:
        services.stop()


def test_valkey_files_are_left_alone_when_the_disk_is_what_does_not_work(home):
    services = Services(home, only=["valkey"])
    services.start()
    services.stop()
    shutil.rmtree(home / "valkey" / "appendonlydir")  # it has to make files to start
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(PartError, match="cannot be written to"):
            Services(home, only=["valkey"]).start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(home.glob("valkey.unreadable-*")) == []
    services = Services(home, only=["valkey"])
    services.start()
    services.stop()


@pytest.mark.parametrize(("text", "serves"), [(b"+PONG", True), (b"-LOADING Valkey is loading", False), (b"", False)])
def test_a_valkey_that_listens_serves_only_when_it_has_read_its_files(home, text, serves):
    home.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as early:

        def answer() -> None:
            peer, _ = early.accept()
            with peer:
                peer.recv(1024)
                peer.sendall(b"+OK\r\n" + text + b"\r\n" if text else b"")

        threading.Thread(target=answer, daemon=True).start()
        valkey = Valkey(home=home, keys={"valkey": "secret"}, port=early.getsockname()[1])

        assert valkey._has_loaded() is serves


@pytest.mark.parametrize(
    ("version", "text"),
    [
        ("17\n", "was written by PostgreSQL 17 and this is PostgreSQL 18"),
        ("x%7\n", "is damaged"),
        (None, "has no PG_VERSION"),
    ],
)
def test_a_cluster_this_server_cannot_read_is_named_and_left_alone(home, version, text):
    start(home).stop()
    file = home / "pg" / "PG_VERSION"
    file.unlink()
    if version:
        file.write_text(version)
    before = sorted(path.name for path in (home / "pg").iterdir())

    with pytest.raises(PartError, match=text):
        start(home)

    assert sorted(path.name for path in (home / "pg").iterdir()) == before
    assert working_in(home / "pg") == []


def test_a_damaged_cluster_says_what_postgresql_says(home):
    start(home).stop()
    (home / "pg" / "global" / "pg_control").unlink()

    with pytest.raises(PartError, match=r"PostgreSQL did not start: .*pg_control"):
        start(home)


def test_lost_or_foreign_secrets_are_named(home):
    start(home).stop()
    good = json.loads((home / "secrets.json").read_text())

    (home / "secrets.json").unlink()
    with pytest.raises(PartError, match="is missing, but"):
        Services(home)
    (home / "secrets.json").write_text("{")
    with pytest.raises(PartError, match="cannot be read"):
        Services(home)
    (home / "secrets.json").write_text(json.dumps(good | {"postgres_admin": "of another folder"}))
    with pytest.raises(PartError, match="does not belong to the data"):
        start(home)
    (home / "secrets.json").write_text(json.dumps(good))

    start(home).stop()


def test_a_data_folder_that_is_a_file_or_cannot_be_made_is_named(home):
    home.parent.mkdir(exist_ok=True)
    home.write_text("")

    for wrong in (home, home / "below", Path("/proc/deskhand")):
        with pytest.raises(PartError, match="cannot be used"):
            Services(wrong)


def _bucket(services: Services):
    env = services.env
    s3 = boto3.resource(
        "s3",
        endpoint_url=env["S3_ENDPOINT_URL"],
        aws_access_key_id=env["S3_ACCESS_KEY_ID"],
        aws_secret_access_key=env["S3_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
        config=BotoConfig(request_checksum_calculation="when_required", response_checksum_validation="when_required"),
    )
    return s3.Bucket(env["S3_BUCKET"])
