"""Making of a backup, also while Deskhand runs: one database snapshot and the objects that it names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import psycopg
from django.conf import settings
from psycopg.rows import DictRow

from config.backup import database, keys, live, manifest, objects
from config.backup.errors import BackupError
from config.backup.manifest import Manifest

OWN_FILES = ("demo.json",)
OWN_FOLDERS = ("templates",)


def make(folder: Path, *, with_keys: bool, say: Callable[[str], None]) -> Manifest:
    """Write a backup under a temporary name and rename it when it is complete. Nothing has to stop for it."""
    with _unfinished(folder) as work:
        copied = objects.Copied(work)
        with database.connected() as db:
            rows = objects.named(db)
            database.demand_room_for(work, database.size_of(db) + sum(row["size"] for row in rows))
        copied.copy(rows)  # before the snapshot, to keep it short: it blocks vacuum
        say(f"Objects: {len(copied.sums)} copied.")
        with database.snapshot() as (db, name):
            rows = objects.named(db)
            copied.copy(rows)
            copied.keep_only(rows)
            database.dump(work / manifest.DUMP, name)
            found = _described(db, copied)
        say(f"Database: {(work / manifest.DUMP).stat().st_size / 1e6:.1f} MB.")
        sums = {f"{manifest.OBJECTS}/{key}": digest for key, digest in copied.sums.items()}
        sums[manifest.DUMP] = manifest.digest_of(work / manifest.DUMP)
        sums |= _own_files(work)
        if with_keys:
            content = keys.content(settings.SECRET_KEY, settings.ENCRYPTION_KEYS)
            sums[manifest.KEYS] = manifest.write_file(work / manifest.KEYS, content)
        manifest.write(work, found, sums)
    return found


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the target; rename it at the end. A leftover of an earlier attempt is deleted."""
    if folder.exists():
        raise BackupError(f"{folder} is there already: name a folder that is not.")
    work = folder.with_name(f".{folder.name}.unfinished")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(mode=0o700)
        yield work
        _sync(work)
        work.rename(folder)
        _sync(folder.parent)
    except OSError as error:
        shutil.rmtree(work, ignore_errors=True)
        raise BackupError(f"{error.filename or folder} cannot be written: {error.strerror}.") from error
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def _described(db: psycopg.Connection[DictRow], copied: objects.Copied) -> Manifest:
    at = db.execute("SELECT now() AS at").fetchall()[0]["at"]
    applied: dict[str, list[str]] = {}
    for each in db.execute("SELECT app, name FROM django_migrations ORDER BY app, name").fetchall():
        applied.setdefault(each["app"], []).append(each["name"])
    return Manifest(
        made_at=at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        postgres=database.major(db),
        migrations=applied,
        key_prints=keys.prints(settings.SECRET_KEY, settings.ENCRYPTION_KEYS),
        objects=len(copied.sums),
        object_bytes=sum(copied.sizes.values()),
        missing=sorted(copied.missing.values(), key=lambda one: one["key"]),
        live=live.found(db),
    )


def _own_files(work: Path) -> dict[str, str]:
    """Copy the operator's files in the data folder; return their hashes."""
    home: Path = settings.VAR_DIR
    found = [home / name for name in OWN_FILES if (home / name).is_file()]
    for name in OWN_FOLDERS:
        found += [path for path in sorted((home / name).rglob("*")) if path.is_file()]
    sums = {}
    for path in found:
        name = f"{manifest.FILES}/{path.relative_to(home).as_posix()}"
        sums[name] = manifest.write_file(work / name, path.read_bytes())
    return sums


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
