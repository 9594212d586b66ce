"""Views of the OpenAPI document and of its Swagger UI."""

from __future__ import annotations

import json
from functools import cache

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator


@cache
def document() -> bytes:
    """Return the OpenAPI 3.1 document as JSON. Built once per process: it is the same for everyone."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return json.dumps(schema, ensure_ascii=False).encode()


@require_safe
@cache_control(public=True, max_age=300)
def schema(request: HttpRequest) -> HttpResponse:
    return HttpResponse(document(), content_type="application/json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show Swagger UI from our own static files; calls made in it use the reader's session."""
    return render(request, "config/api_docs.html")
