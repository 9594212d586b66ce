"""gzip for pages and JSON. Static files are compressed once, when they are collected."""

from __future__ import annotations

import re

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware
from django.utils.cache import patch_vary_headers

SMALLEST = 1000
"""Bytes of content below which an answer stays as it is: it fits into one packet either way."""
TEXT = re.compile(
    r"(text/(html|plain|css|csv|xml)|image/svg\+xml|application/(.+\+)?(json|yaml|xml)|application/.+\.openapi)\b"
)
SECRET_PAGES = re.compile(r"/accounts/2fa/")
"""Pages that show a lasting secret: the key of an authenticator app, recovery codes."""


class CompressionMiddleware(GZipMiddleware):
    """Compress what is text, complete and larger than SMALLEST, for clients that accept gzip.

    Never compressed: streams (files, live views), answers with a strong ETag (it names these very bytes, and the API
    compares it with If-Match), and what an attacker could measure (BREACH): pages with a lasting secret, and whatever
    another site has a signed-in browser ask for. Beside that, Django masks its CSRF token anew in each answer and gives
    each compressed answer a random length.
    """

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not isinstance(response, HttpResponse) or not _is_compressible(response):
            return response
        patch_vary_headers(response, ("Accept-Encoding",))
        if not accepts_gzip(request.headers.get("Accept-Encoding", "")) or _could_be_measured(request):
            return response
        return super().process_response(request, response)


def _is_compressible(response: HttpResponse) -> bool:
    if response.status_code == 206 or len(response.content) < SMALLEST or response.has_header("Content-Encoding"):
        return False
    if response.get("ETag", "").startswith('"') or "no-transform" in response.get("Cache-Control", ""):
        return False
    return bool(TEXT.match(response.get("Content-Type", "")))


def _could_be_measured(request: HttpRequest) -> bool:
    if SECRET_PAGES.match(request.path_info):
        return True
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    return is_foreign and settings.SESSION_COOKIE_NAME in request.COOKIES


def accepts_gzip(header: str) -> bool:
    """Tell whether an Accept-Encoding header allows gzip: named, or by `*`, with a weight above zero."""
    weights: dict[str, float] = {}
    for part in header.lower().split(","):
        coding, _, weight = part.partition(";")
        try:
            weights[coding.strip()] = float(weight.partition("q=")[2] or 1)
        except ValueError:
            weights[coding.strip()] = 0
    return weights.get("gzip", weights.get("*", 0)) > 0
