"""Bundle of a run as one tar.gz: run.json, events.ndjson, receipt.json, the delivered files, and their hashes.

Its `verify.py` is the module `verification`, which needs nothing of Deskhand.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import tempfile
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import IO, Any, cast

from django.core.serializers.json import DjangoJSONEncoder
from django.http import FileResponse

from accounts import audit
from accounts.models import AuditEntry, User
from storage.services import open_file
from tasks.frames import frame_of
from tasks.models import Run
from tasks.reports import verification
from tasks.reports.receipt import receipt

RUN_FIELDS = (
    *("id", "kind", "title", "status", "prompt", "variables", "output", "error_code", "error_detail", "attempt"),
    *("created_at", "started_at", "finished_at", "active_s", "max_cost_usd", "max_turns", "timeout_s", "turns"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "last_seq", "metadata"),
)

EXPORTED = "run.exported"
IN_MEMORY = 4 * 1024 * 1024
"""Bytes of an archive that stay in memory. A larger one is written to disk while it is made and sent."""


def bundle_download(run: Run, *, actor: User) -> FileResponse:
    """Return the archive as a download.

    It is complete before its first byte is sent, so that an unavailable file store is an error and no broken download.
    The audit log records its seal, by which a forged bundle can be recognised.
    """
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    seal = write_bundle(run, file)
    file.seek(0)
    audit.record(team=run.team, actor=actor, action=EXPORTED, target=run, seal=seal)
    return FileResponse(file, as_attachment=True, filename=f"run-{run.pk}.tar.gz", content_type="application/gzip")


def write_bundle(run: Run, target: IO[bytes]) -> str:
    """Write the archive to an open binary file. Return its seal, which depends on the run's state only."""
    with (
        gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        members = _Members(archive)
        members.add("run.json", _json(_about(run)))
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as events:
            count, head = _write_events(run, events)
            size = events.tell()
            events.seek(0)
            members.add_stream("events.ndjson", events, size)
        members.add("receipt.json", _json(asdict(receipt(run))))
        for artifact in run.artifacts.select_related("file").order_by("path"):
            with open_file(artifact.file) as content:
                members.add_stream(f"files/{artifact.path}", content, artifact.file.size, artifact.updated_at)
        members.add("verify.py", Path(verification.__file__).read_bytes())
        manifest: dict[str, Any] = {
            **{"format": verification.FORMAT, "run": str(run.pk), "members": members.kept},
            "events": {"count": count, "head": head},
        }
        manifest["seal"] = verification.seal_of(manifest)
        members.add(verification.MANIFEST, verification.written(manifest))
    return str(manifest["seal"])


def was_exported(run_id: str, seal: str) -> AuditEntry | None:
    """Return the audit entry of the first export with this seal, or None."""
    mine = AuditEntry.objects.filter(action=EXPORTED, subject_id=run_id, data__seal=seal)
    return mine.order_by("id").first()


class _Members:
    """Members of an archive, with the sizes and hashes that were written."""

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self.kept: dict[str, dict[str, Any]] = {}

    def add(self, name: str, content: bytes) -> None:
        self.add_stream(name, io.BytesIO(content), len(content))

    def add_stream(self, name: str, content: Any, size: int, at: datetime | None = None) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime = size, int(at.timestamp()) if at else 0
        hashed = _Hashed(content)
        self._archive.addfile(entry, cast(IO[bytes], hashed))
        self.kept[name] = {"size": size, "sha256": hashed.digest.hexdigest()}


class _Hashed:
    """Stream whose bytes are hashed as they are read."""

    def __init__(self, content: Any) -> None:
        self._content = content
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._content.read(size)
        self.digest.update(piece)
        return piece


def _about(run: Run) -> dict[str, Any]:
    about = {name: getattr(run, name) for name in RUN_FIELDS}
    return about | {"agent": {"name": run.agent.name, "version": run.version.number}, "model": run.version.model}


def _write_events(run: Run, target: IO[bytes]) -> tuple[int, str]:
    """Write one line for each event, with its hash in the chain. Return their number and the last hash."""
    count, last = 0, verification.GENESIS
    for event in run.events.order_by("seq").iterator(chunk_size=500):
        line = {name: value for name, value in frame_of(event).items() if name != "kind"}
        last, count = verification.next_hash(last, line), count + 1
        target.write(json.dumps(line | {"hash": last}, ensure_ascii=False).encode() + b"\n")
    return count, last


def _json(value: Any) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False).encode()
