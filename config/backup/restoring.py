"""Restore of a backup: first the objects, then the database in one step.

In this order no run continues without its files.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import redis
from django.conf import settings
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader
from psycopg.rows import DictRow

from accounts.services import audit_checkpoints
from config.backup import database, keys, manifest, objects
from config.backup.errors import BackupError
from config.backup.manifest import Manifest
from config.embedded.keys import write_private
from config.embedded.services import UNFINISHED_RESTORE
from tasks.models import TERMINAL, Run
from tasks.services import runs

CANCELLED = "Deskhand was restored from a backup: what the run did after it is not known."


def restore(
    folder: Path, *, replace: bool, other_keys: bool, sets_secret: bool, say: Callable[[str], None]
) -> Manifest:
    """Restore everything. `sets_secret`: the signing key is in the data folder, not in a variable of the operator."""
    found = manifest.verified(folder)
    with database.connected() as db:
        _demand_fit(db, folder, found, replace=replace)
        secret = _secret(folder, found, other_keys=other_keys, sets_secret=sets_secret)
        mark = settings.VAR_DIR / UNFINISHED_RESTORE
        write_private(mark, str(folder))
        say(f"Objects: {objects.put_back(folder, manifest.listed(folder))} stored.")
    database.load(folder / manifest.DUMP)
    with database.connected() as db:
        database.analyse(db)
    say("Database: restored.")
    _set_checkpoints_aside(found, say)
    _empty_valkey(say)
    _put_files_back(folder)
    if secret:
        path = settings.VAR_DIR / "secrets.json"
        write_private(path, json.dumps(json.loads(path.read_text()) | {"secret_key": secret}, indent=1))
    mark.unlink()
    return found


def cancel_acting(live: Mapping[str, list[Mapping[str, str]]]) -> int:
    """Cancel the runs that may repeat an effect; return how many."""
    call_command("migrate", verbosity=0, interactive=False)  # the models below need this code's schema
    wanted = [run["id"] for run in (*live["acting"], *live["calling"])]
    chosen = Run.objects.filter(pk__in=wanted).exclude(status__in=TERMINAL)
    done, _ = runs.cancel_runs(runs=chosen, actor=None, reason=CANCELLED)
    return len(done)


def _demand_fit(db: psycopg.Connection[DictRow], folder: Path, found: Manifest, *, replace: bool) -> None:
    if strange := _unknown_migrations(found):
        raise BackupError(
            f"The backup was made by a newer Deskhand: its migration {strange[0]} is unknown here. "
            "Update, then restore."
        )
    if database.major(db) < found.postgres:
        raise BackupError(
            f"The backup is of PostgreSQL {found.postgres} and the database here is {database.major(db)}: "
            f"use a server of version {found.postgres} or newer."
        )
    if connected := database.others(db):
        raise BackupError(f"The database is in use by {', '.join(connected)}: stop everything that works on it first.")
    mark = settings.VAR_DIR / UNFINISHED_RESTORE
    is_second_try = mark.exists() and mark.read_text() == str(folder)
    if not replace and not is_second_try and not database.is_empty(db):
        raise BackupError(
            "There is an installation in this database already. With --replace the backup takes its place, "
            "and all of it is lost."
        )


def _unknown_migrations(found: Manifest) -> list[str]:
    disk: Any = MigrationLoader(None).disk_migrations
    known = {*disk, *(old for migration in disk.values() for old in migration.replaces)}
    applied = {(app, name) for app, names in found.migrations.items() for name in names}
    return sorted(f"{app}.{name}" for app, name in applied - known)


def _secret(folder: Path, found: Manifest, *, other_keys: bool, sets_secret: bool) -> str:
    """Return the signing key to write to the data folder, if it belongs there and the backup has it; else ""."""
    kept = keys.kept_in(folder)
    secret = str(kept["secret_key"]) if kept and sets_secret else ""
    if not other_keys:
        keys.demand_fit(dict(found.key_prints), secret or settings.SECRET_KEY, settings.ENCRYPTION_KEYS)
    return secret


def _empty_valkey(say: Callable[[str], None]) -> None:
    """Empty Valkey: its queues, counters and hints are outdated. No work is lost."""
    try:
        for number in (0, 1):
            valkey = redis.Redis.from_url(f"{settings.REDIS_URL}/{number}", socket_timeout=10)
            for name in valkey.scan_iter(f"{settings.REDIS_PREFIX}*", count=1000):
                valkey.delete(name)
    except (redis.RedisError, OSError) as error:
        say(f"Valkey could not be emptied ({error}). Delete its keys that begin with {settings.REDIS_PREFIX}.")


def _set_checkpoints_aside(found: Manifest, say: Callable[[str], None]) -> None:
    """Move the audit log's checkpoints in the file store aside: they belong to a later log than the backup's."""
    name = f"before-restore-of-{re.sub('[^0-9T]', '', found.made_at)}"
    try:
        if moved := audit_checkpoints.set_aside(name):
            say(f"Checkpoints of the audit log: {moved} set aside under audit/*.{name}.json.")
    except audit_checkpoints.Unreadable as error:
        say(f"The checkpoints of the audit log could not be set aside ({error}): run manage.py audit accept.")


def _put_files_back(folder: Path) -> None:
    source = folder / manifest.FILES
    for path in sorted(source.rglob("*")):
        if path.is_file():
            target: Path = settings.VAR_DIR / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            with suppress(OSError):
                target.chmod(0o600 if target.suffix == ".json" else 0o644)
