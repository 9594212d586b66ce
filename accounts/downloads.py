"""The audit log of a team as a file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

from django.http import StreamingHttpResponse

from accounts.models import Team
from accounts.services import chain

IN_MEMORY = 2 * 1024 * 1024
"""Whatever is larger lies on disk while it is sent."""
_PIECE = 256 * 1024


def audit_download(team: Team) -> StreamingHttpResponse:
    """The whole chain. It is read at once and sent in pieces: a slow client holds no connection to the database."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    file.writelines(text.encode() for text in chain.export(team.pk))
    response = StreamingHttpResponse(_pieces(file), content_type="application/x-ndjson")
    response["Content-Length"] = str(file.tell())
    response["Content-Disposition"] = f'attachment; filename="audit-{team.slug}.ndjson"'
    response["Cache-Control"] = "no-store"
    file.seek(0)
    return response


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece
