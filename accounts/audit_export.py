"""Download of a team's audit log."""

from __future__ import annotations

import tempfile

from django.http import FileResponse

from accounts.models import Team
from accounts.services import audit_chain

IN_MEMORY = 2 * 1024 * 1024
"""Bytes of an export that stay in memory. A larger one is written to disk while it is sent."""


def audit_download(team: Team) -> FileResponse:
    """Return the whole chain as a file of JSON lines.

    The rows are read at once, so that a slow client holds no database connection.
    """
    file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - the response closes it
    file.writelines(text.encode() for text in audit_chain.export(team.pk))
    file.seek(0)
    name = f"audit-{team.slug}.ndjson"
    response = FileResponse(file, as_attachment=True, filename=name, content_type="application/x-ndjson")
    response["Cache-Control"] = "no-store"
    return response
