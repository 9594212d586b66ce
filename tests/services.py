"""The real PostgreSQL, Valkey and S3 of one pytest process.

They are up before the settings are read. Each process of pytest-xdist has its own, so that none sees what another does.
Migrating takes seconds, so the migrated cluster is kept under `.pytest_cache` by the hash of what made it, and tests
work in a copy of its database.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from hashlib import sha256
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded import Services

ROOT = Path(__file__).resolve().parent.parent
_PREFIX = "deskhand-test-"
_TEMPLATE = "deskhand"
_started: list[Services] = []
_MADE_FROM = ("*/migrations/*.py", "*/djstripe_migrations/*.py", "config/settings.py", "config/embedded/*.py")


_OWNER = "DESKHAND_TEST_SERVICES_OF"
"""The process that started the services of this environment: pytest runs that a test starts use them too."""


def provide() -> None:
    """Start the services of this process, and give it its own database and its own Valkey prefix."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    if os.environ.get(_OWNER) != worker:
        _start()
        os.environ[_OWNER] = worker
    os.environ["DATABASE_URL"] = _clone(f"test_{worker}")
    os.environ["REDIS_PREFIX"] = f"test-{worker}:"


def _start() -> None:
    started = time.monotonic()
    _sweep()
    home = Path(tempfile.mkdtemp(prefix=_PREFIX))
    home.chmod(0o711)
    (home / "static").mkdir()
    cached = ROOT / ".pytest_cache" / "deskhand" / _fingerprint()
    migrated = _copy(cached, home)
    services = Services(home, fast=True)
    atexit.register(stop)
    _started.append(services)
    services.start()
    with services.parts[0].connect("postgres") as admin:  # tests/flush.py
        admin.execute("GRANT SET ON PARAMETER session_replication_role TO deskhand")
    os.environ |= services.env | {"DESKHAND_VAR": str(home), "SECRET_KEY": services.keys["secret_key"]}
    if not migrated:
        _migrate()
        _keep(services, cached)
    os.environ["DESKHAND_TEST_TEMPLATE_URL"] = services.env["DATABASE_URL"]
    how = "from the kept cluster" if migrated else "migrated afresh"
    print(f"Services up in {time.monotonic() - started:.1f} s, {how}.", file=sys.stderr)


def stop() -> None:
    """Stop what this process started. A process of pytest-xdist ends without its exit handlers, so pytest asks too."""
    while _started:
        services = _started.pop()
        services.stop()
        shutil.rmtree(services.home, ignore_errors=True)


def _clone(name: str) -> str:
    """Create a fresh copy of the migrated database; return its address."""
    template = os.environ["DESKHAND_TEST_TEMPLATE_URL"]
    server = template.removesuffix(f"/{_TEMPLATE}")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute("SET statement_timeout = 0")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(_TEMPLATE))
        )
    return f"{server}/{name}"


def _migrate() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity=0"],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "PGOPTIONS": "-c statement_timeout=0"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"The test database cannot be migrated:\n{done.stdout}{done.stderr}")


def _fingerprint() -> str:
    digest = sha256((ROOT / "requirements" / "dev.txt").read_bytes())
    for pattern in _MADE_FROM:
        for path in sorted(ROOT.glob(pattern)):
            digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _copy(source: Path, target: Path) -> bool:
    """Copy the folder, owners included. Return False if that failed."""
    if not source.exists():
        return False
    done = subprocess.run(["cp", "-a", f"{source}/.", str(target)], capture_output=True)
    if done.returncode:
        shutil.rmtree(target)
        target.mkdir(mode=0o711)
    target.chmod(0o711)
    return done.returncode == 0


def _keep(services: Services, cached: Path) -> None:
    """Keep the migrated cluster for the next run, in place of one from older code."""
    postgres = services.parts[0]
    postgres.stop()
    fresh = cached.with_name(f"{cached.name}.new-{os.getpid()}")
    try:
        shutil.rmtree(cached.parent, ignore_errors=True)
        fresh.mkdir(parents=True)
        for name in ("pg", "secrets.json"):
            subprocess.run(["cp", "-a", str(services.home / name), str(fresh)], check=True, capture_output=True)
        fresh.rename(cached)
    except (OSError, subprocess.CalledProcessError):
        shutil.rmtree(fresh, ignore_errors=True)
    postgres.start()
    postgres.wait_ready()


def _sweep() -> None:
    """Delete the folders of killed runs, whose lock nobody holds any more."""
    for home in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if time.time() - home.stat().st_mtime < 60:
                continue  # it may be about to take its lock
            with (home / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)
        except OSError:
            continue
