"""Manifest of a backup folder, and its verification. Standard library only: it runs before Django starts.

manifest.json   metadata, and the hash of SHA256SUMS; written last
SHA256SUMS      hash of every other file, as `sha256sum -c` reads it
database.dump   pg_dump's custom format
objects/<key>   objects of the store
keys.json       SECRET_KEY and the encryption keys, unless they were left out
files/          the operator's other files in the data folder: demo.json, templates/
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from config.backup.errors import BackupError

FORMAT = 1
MANIFEST, SUMS, DUMP, KEYS = "manifest.json", "SHA256SUMS", "database.dump", "keys.json"
OBJECTS, FILES = "objects", "files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    format: int = FORMAT
    made_at: str
    """Time of the database snapshot, by the database's clock, ISO 8601 in UTC."""
    postgres: int
    """Major version of the dumped server."""
    migrations: Mapping[str, list[str]]
    """Applied migrations by app."""
    key_prints: Mapping[str, Any]
    objects: int
    object_bytes: int
    missing: list[Mapping[str, str]] = field(default_factory=list)
    """Files whose object was missing or damaged in the store: {"key", "name", "why"}."""
    live: Mapping[str, Any] = field(default_factory=dict)
    """Runs that had not ended (config/backup/live.py)."""
    sums_sha256: str = ""


def write(folder: Path, manifest: Manifest, sums: Mapping[str, str]) -> None:
    """Finish a backup: write the hashes of its files, then the manifest, which makes it valid."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    write_file(folder / SUMS, text.encode())
    content = asdict(manifest) | {"sums_sha256": hashlib.sha256(text.encode()).hexdigest()}
    write_file(folder / MANIFEST, json.dumps(content, indent=1, ensure_ascii=False).encode())


def write_file(path: Path, content: bytes) -> str:
    """Write a file that only its owner can read, synced to disk; return its hash."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(content).hexdigest()


def digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> Manifest:
    """Return the manifest of a backup. Raises BackupError for other folders and unknown formats."""
    if not folder.is_dir():
        raise BackupError(f"There is no folder {folder}.")
    try:
        found = json.loads((folder / MANIFEST).read_text())
        version = found["format"]
    except FileNotFoundError:
        raise BackupError(f"{folder} is no whole backup: it has no {MANIFEST}, which is written last.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{folder / MANIFEST} cannot be read ({error}): the backup is damaged.") from error
    if version != FORMAT:
        raise BackupError(
            f"{folder} has format {version} and this Deskhand reads format {FORMAT}: "
            f"restore it with the version that made it, or a newer one."
        )
    try:
        return Manifest(**{each.name: found[each.name] for each in fields(Manifest)})
    except KeyError as error:
        raise BackupError(f"{folder / MANIFEST} lacks {error}: the backup is damaged.") from error


@cache
def verified(folder: Path) -> Manifest:
    """Return the manifest after checking that every file is present and unchanged."""
    manifest = read(folder)
    if _hash(folder / SUMS, folder) != manifest.sums_sha256:
        raise BackupError(f"{folder / SUMS} is not the one that was written: the backup is damaged.")
    for name, digest in listed(folder):
        if _hash(folder / name, folder) != digest:
            raise BackupError(f"{folder / name} is not as it was written: the backup is damaged. Nothing was changed.")
    return manifest


def listed(folder: Path) -> Iterable[tuple[str, str]]:
    """Yield (name, hash) of each file of the backup."""
    with (folder / SUMS).open() as sums:
        for line in sums:
            digest, _, name = line.rstrip("\n").partition("  ")
            yield name, digest


def _hash(path: Path, folder: Path) -> str:
    try:
        return digest_of(path)
    except OSError as error:
        name = path.relative_to(folder)
        raise BackupError(f"{name} cannot be read ({error.strerror}): the backup {folder} is damaged.") from error
