"""Object part of a backup: copies of the objects that rows name, and their restore."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import default_storage
from psycopg.rows import DictRow

from accounts.errors import NotFound, Unavailable
from config.backup.errors import BackupError
from config.backup.manifest import OBJECTS
from storage import services as storage

_KEY = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_.-]+)*")
# Announced uploads are left out: their object may not have arrived, and is unchecked until it has.
_NAMED = """
SELECT key, name, size, sha256 FROM storage_storedfile
UNION ALL SELECT key, name, size, '' FROM storage_upload ORDER BY key
"""


@dataclass(slots=True)
class Copied:
    """Objects copied into the backup so far."""

    folder: Path
    sums: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each copied object, by key."""
    sizes: dict[str, int] = field(default_factory=dict)
    missing: dict[str, dict[str, str]] = field(default_factory=dict)

    def copy(self, rows: Iterable[DictRow]) -> None:
        """Copy the objects that are not here yet. A missing or damaged one is recorded; an unreachable store raises."""
        for row in rows:
            if row["key"] not in self.sums:
                self._copy(row)

    def keep_only(self, rows: Iterable[DictRow]) -> None:
        """Delete the copies that the snapshot does not name: their rows were deleted meanwhile."""
        named = {row["key"] for row in rows}
        for key in self.sums.keys() - named:
            (self.folder / OBJECTS / key).unlink()
            del self.sums[key], self.sizes[key]
        for key in self.missing.keys() - named:
            del self.missing[key]

    def _copy(self, row: DictRow) -> None:
        key: str = row["key"]
        if not _KEY.fullmatch(key):
            raise BackupError(f"The key {key!r} of the file {row['name']} cannot be the name of a file.")
        target = self.folder / OBJECTS / key
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            digest, size = _write(target, storage.pieces_of(key))
        except NotFound:
            target.unlink(missing_ok=True)
            if row["sha256"]:
                self._miss(row, "is not in the object store")
            return
        except Unavailable as error:
            raise BackupError(f"The object store failed at {key}: {error.detail}") from error
        if row["sha256"] and digest != row["sha256"]:
            target.unlink()
            self._miss(row, "is damaged in the object store")
            return
        self.missing.pop(key, None)
        self.sums[key], self.sizes[key] = digest, size

    def _miss(self, row: DictRow, why: str) -> None:
        self.missing[row["key"]] = {"key": row["key"], "name": row["name"], "why": why}


def named(db: psycopg.Connection[DictRow]) -> list[DictRow]:
    """Return every object that a row names, as this transaction sees it."""
    return db.execute(_NAMED).fetchall()


def put_back(folder: Path, sums: Iterable[tuple[str, str]]) -> int:
    """Store every object of the backup under its key, read it back and compare; return how many."""
    store: Any = default_storage
    count = 0
    for name, digest in sums:
        if not name.startswith(f"{OBJECTS}/"):
            continue
        key = name.removeprefix(f"{OBJECTS}/")
        try:
            store.bucket.Object(key).upload_file(str(folder / name), Config=store.transfer_config)
            kept = hashlib.sha256()
            for piece in storage.pieces_of(key):
                kept.update(piece)
        except (ClientError, BotoCoreError, OSError, Unavailable, NotFound) as error:
            raise BackupError(f"The object store did not take {key}: {error} The database is as it was.") from error
        if kept.hexdigest() != digest:
            raise BackupError(f"The object store did not keep {key} whole. The database is as it was.")
        count += 1
    return count


def _write(target: Path, pieces: Iterator[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with open(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        for piece in pieces:
            digest.update(piece)
            size += file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest(), size
