"""The audit log of a team as a file."""

from __future__ import annotations

import tempfile

from django.http import FileResponse

from accounts.models import Team
from accounts.services import audit_chain

IN_MEMORY = 2 * 1024 * 1024
"""Whatever is larger lies on disk while it is sent."""


def audit_download(team: Team) -> FileResponse:
    """The whole chain. It is read at once and sent in pieces: a slow client holds no connection to the database."""
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    file.writelines(text.encode() for text in audit_chain.export(team.pk))
    file.seek(0)
    name = f"audit-{team.slug}.ndjson"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/x-ndjson")
    response["Cache-Control"] = "no-store"
    return response
