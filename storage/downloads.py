"""Downloads: by a signed address of the store, or through this server if a browser cannot reach the store."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase

from storage import names, services
from storage.models import StoredFile
from storage.ranges import part_of

LOCKED = "sandbox; default-src 'none'"


def download(stored: StoredFile, request: HttpRequest) -> HttpResponseBase:
    """Return the response that saves the file as an attachment. The caller has checked access already."""
    response = _streamed(stored, request) if by_app() else HttpResponseRedirect(services.signed_url(stored))
    response["Cache-Control"] = "no-store"
    return response


def by_app() -> bool:
    """Return True if downloads pass through this server: as set, else if the store listens on this machine only."""
    if settings.DOWNLOADS in ("app", "store"):
        return bool(settings.DOWNLOADS == "app")
    host = urlsplit(settings.S3_ENDPOINT_URL).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _streamed(stored: StoredFile, request: HttpRequest) -> HttpResponseBase:
    kind, part, etag = services.download_type(stored), None, f'"{stored.sha256}"'
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse(content_type=kind)
    else:
        if request.headers.get("If-Range", etag) == etag:
            part = part_of(stored.size, request.headers.get("Range", ""))
        response = StreamingHttpResponse(services.pieces(stored, part), content_type=kind, status=206 if part else 200)
    if part:
        response["Content-Range"] = f"bytes {part.first}-{part.last}/{stored.size}"
    response["Content-Length"] = str(part.size if part else stored.size)
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Content-Disposition"] = names.content_disposition(stored.name)
    response["Content-Security-Policy"] = LOCKED
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["X-Content-Type-Options"] = "nosniff"
    return response
