"""Pages and downloads of delivered files, for the team and for shared links."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from accounts.tenancy import TeamRequest, team_required
from storage.downloads import download
from storage.services import open_file, safe_inline_type
from tasks import fragments
from tasks.models import Artifact, Run
from tasks.run_page.page import RunPage
from tasks.run_page.previews import preview
from tasks.views.common import page_of, run_or_404

MAX_INLINE = 20_000_000
"""Bytes of a picture that is shown inline."""
LOCKED = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Content policy of an SVG: its own styles and pictures are allowed, scripts and other loads are not."""


def artifact_of(run: Run, artifact_id: UUID) -> Artifact:
    return get_object_or_404(run.artifacts.select_related("file"), pk=artifact_id)


def show(request: HttpRequest, page: RunPage, artifact: Artifact) -> HttpResponse:
    context: dict[str, Any] = {
        "page": page,
        "run": page.run,
        "artifact": artifact,
        "icon": fragments.file_icon(artifact.path),
    }
    is_part = bool(request.headers.get("HX-Request"))
    base = "artifacts/" if is_part else "../"
    linked = page.linked_files("" if is_part else "../../")
    context |= {"base": base, "linked_files": linked, "preview": preview(artifact.file, path=artifact.path)}
    return render(request, "tasks/_artifact.html" if is_part else "tasks/artifact_detail.html", context)


def inline(artifact: Artifact, request: HttpRequest) -> HttpResponseBase:
    """Return the bytes of a picture for an `<img>` of ours; download anything else."""
    stored = artifact.file
    kind = safe_inline_type(stored)
    if kind is None or not kind.startswith("image/") or stored.size > MAX_INLINE:
        return download(stored, request)
    with open_file(stored) as file:
        response = HttpResponse(file.read(), content_type=kind)
    response["Content-Security-Policy"] = LOCKED
    response["Content-Disposition"] = "inline"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["Cache-Control"] = "private, max-age=3600"
    response["ETag"] = f'"{stored.sha256}"'
    return response


@require_safe
@team_required
def artifact_detail(request: TeamRequest, run_id: UUID, artifact_id: UUID) -> HttpResponse:
    run = run_or_404(request, run_id)
    return show(request, page_of(request, run), artifact_of(run, artifact_id))


@require_safe
@team_required
def artifact_raw(request: TeamRequest, run_id: UUID, artifact_id: UUID) -> HttpResponseBase:
    return inline(artifact_of(run_or_404(request, run_id), artifact_id), request)


@require_safe
@team_required
def artifact_download(request: TeamRequest, run_id: UUID, artifact_id: UUID) -> HttpResponseBase:
    return download(artifact_of(run_or_404(request, run_id), artifact_id).file, request)


@require_safe
@team_required
def run_input(request: TeamRequest, run_id: UUID, input_id: int) -> HttpResponseBase:
    given = get_object_or_404(run_or_404(request, run_id).inputs.select_related("file"), pk=input_id)
    return download(given.file, request)
