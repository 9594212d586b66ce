"""Workspace of a run: attachments go in, files that tools write come out as artifacts.

The object store is the truth, the folder is a copy: another worker, or the same one after a crash, stages it anew. All
functions block and run on the thread pool.
"""

from __future__ import annotations

import hashlib
import mimetypes
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from accounts.errors import LimitReached
from accounts.ids import uuid7
from storage import services as storage
from tasks.engine.commits import ArtifactWrite

MAX_FILES = 500
"""Files in a run's folder."""
MAX_FILE_BYTES = 200 * 1024 * 1024
LEFT_BEHIND_S = 2 * 86_400
"""Age in seconds at which a folder of a dead worker is deleted."""


@dataclass(frozen=True, slots=True)
class Saved:
    """New or changed file whose object is complete in the store."""

    write: ArtifactWrite
    size: int
    sha256: str
    content_type: str
    key: str


class WorkspaceFull(Exception):
    """Excess of files or bytes over what a run may keep."""


class Workspace:
    """Folder of one run on this machine."""

    def __init__(self, *, root: Path, run: Mapping[str, Any]) -> None:
        self._root = root
        self.path = root / f"{run['id']}.{run['epoch']}"
        self._run = run
        self._known: dict[str, tuple[int, int, str]] = {}
        """Files that are in the store already: path → (size, mtime_ns, sha256)."""
        self._versions: dict[str, tuple[UUID, int]] = {a["path"]: (a["id"], a["version"]) for a in run["artifacts"]}
        self.is_begun = False
        """True if there may be something to save and to remove: most tools touch no file."""
        self._is_staged = False
        self._saved: list[Saved] = []
        self.refused: list[str] = []

    def stage_files(self) -> Path:
        """Create the folder with the attachments and the artifacts so far.

        Deletes leftovers of earlier owners. Each owner has its own folder: one that was paused and wakes up late must
        not touch what its successor reads.
        """
        if self._is_staged:
            return self.path
        self.is_begun = True
        for folder in self._root.glob(f"{self._run['id']}.*"):
            if int(folder.suffix[1:]) <= self._run["epoch"]:
                shutil.rmtree(folder, ignore_errors=True)
        self.path.mkdir(parents=True, mode=0o700)
        for row in self._run["inputs"]:
            self._fetch(row["name"], row)
        for row in self._run["artifacts"]:
            self._fetch(row["path"], row)
        self._is_staged = True
        return self.path

    def _fetch(self, name: str, row: Mapping[str, Any]) -> None:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        storage.copy_object(key=row["key"], sha256=row["sha256"], path=target)
        stat = target.stat()
        self._known[name] = (stat.st_size, stat.st_mtime_ns, row["sha256"])

    def save_changes(self) -> list[Saved]:
        """Store new and changed files, each whole and verified before it is named.

        After a failure in the middle, a repeat continues with the missing files.
        """
        if not self._is_staged:
            return []
        for file in self._files():
            name = file.relative_to(self.path).as_posix()
            stat = file.stat()
            known = self._known.get(name)
            if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
                continue
            digest = _sha256(file)
            if not known or known[2] != digest:
                try:
                    self._saved.append(self._save(name, file))
                except LimitReached as error:
                    self.refused.append(f"{name} was not kept. {error.detail}")
                    digest = ""  # try again if it is written again
            self._known[name] = (stat.st_size, stat.st_mtime_ns, digest)
        saved, self._saved = self._saved, []
        return saved

    def take_refused(self) -> list[str]:
        """Return sentences on files that the team's plan had no room for since the last call."""
        refused, self.refused = self.refused, []
        return refused

    def _files(self) -> list[Path]:
        found = [p for p in sorted(self.path.rglob("*")) if p.is_file() and not p.is_symlink()]
        found = [p for p in found if not any(part.startswith(".") for part in p.relative_to(self.path).parts)]
        if len(found) > MAX_FILES:
            raise WorkspaceFull(f"The run has more than {MAX_FILES} files.")
        for path in found:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise WorkspaceFull(f"{path.name} is larger than {MAX_FILE_BYTES // 1024 // 1024} MB.")
        return found

    def _save(self, name: str, file: Path) -> Saved:
        content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        stored = storage.save_file(
            team_id=self._run["team_id"], content=file, name=Path(name).name, content_type=content_type
        )
        artifact_id, version = self._versions.get(name, (uuid7(), 0))
        self._versions[name] = (artifact_id, version + 1)
        write = ArtifactWrite(id=artifact_id, path=name, file_id=stored.pk, version=version + 1)
        return Saved(write, stored.size, stored.sha256, content_type, stored.key)

    def adopt(self, row: Mapping[str, Any]) -> None:
        """Add another run's artifact to this one; the folder is staged anew before it is used."""
        others = [a for a in self._run["artifacts"] if a["path"] != row["path"]]
        self._run["artifacts"][:] = [*others, row]
        self._versions[row["path"]] = (row["id"], row["version"])
        self._is_staged = False

    def remove(self) -> None:
        """Delete the folder; the store has everything that counts."""
        shutil.rmtree(self.path, ignore_errors=True)


def sweep(root: Path) -> None:
    """Delete folders that dead workers left longer than LEFT_BEHIND_S ago."""
    for folder in root.glob("*"):
        with suppress(OSError):
            if folder.stat().st_mtime < time.time() - LEFT_BEHIND_S:
                shutil.rmtree(folder, ignore_errors=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
