"""Everything about a run as one tar.gz: run.json, events.ndjson, receipt.json and the delivered files."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from typing import IO, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import FileResponse

from storage.services import open_file
from tasks.frames import frame_of
from tasks.models import Run
from tasks.reports.receipt import receipt

RUN_FIELDS = (
    *("id", "kind", "title", "status", "prompt", "variables", "output", "error_code", "error_detail", "attempt"),
    *("created_at", "started_at", "finished_at", "active_s", "max_cost_usd", "max_turns", "timeout_s", "turns"),
    *("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd", "last_seq", "metadata"),
)

IN_MEMORY = 4 * 1024 * 1024
"""Whatever is larger lies on disk while the archive is made and sent."""


def bundle_download(run: Run) -> FileResponse:
    """The archive as a download. It is whole before its first byte is sent: a file store that is away says so."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    write_bundle(run, file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"run-{run.pk}.tar.gz", content_type="application/gzip")


def write_bundle(run: Run, target: IO[bytes]) -> None:
    """Write the archive to an open binary file."""
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        _add(archive, "run.json", _json(_about(run)))
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as events:
            events.writelines(_events(run))
            entry = tarfile.TarInfo("events.ndjson")
            entry.size = events.tell()
            events.seek(0)
            archive.addfile(entry, events)
        _add(archive, "receipt.json", _json(asdict(receipt(run))))
        for artifact in run.artifacts.select_related("file").order_by("path"):
            entry = tarfile.TarInfo(f"files/{artifact.path}")
            entry.size, entry.mtime = artifact.file.size, int(artifact.updated_at.timestamp())
            with open_file(artifact.file) as content:
                archive.addfile(entry, content)


def _about(run: Run) -> dict[str, Any]:
    about = {name: getattr(run, name) for name in RUN_FIELDS}
    return about | {"agent": {"name": run.agent.name, "version": run.version.number}, "model": run.version.model}


def _events(run: Run) -> Iterator[bytes]:
    for event in run.events.order_by("seq").iterator(chunk_size=500):
        frame = {name: value for name, value in frame_of(event).items() if name != "kind"}
        yield json.dumps(frame, ensure_ascii=False).encode() + b"\n"


def _json(value: Any) -> bytes:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
