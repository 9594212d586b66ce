"""Request id and uploads.

The id is the caller's if it is well formed; every response, log line and problem document has it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any
from uuid import uuid4

from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse

from accounts.tracing import current_address, current_key_label, current_request_id, is_operator

_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _SANE.fullmatch(given) else uuid4().hex
        request.request_id = request_id  # type: ignore[attr-defined]
        values: dict[ContextVar[Any], Any] = {
            current_request_id: request_id,
            current_key_label: "",
            current_address: _address(request),
            is_operator: request.path.startswith("/admin/"),
        }
        tokens = [(variable, variable.set(value)) for variable, value in values.items()]
        try:
            response = self.get_response(request)
        finally:
            for variable, token in tokens:
                variable.reset(token)
        response["X-Request-Id"] = request_id
        return response


class UploadMiddleware:
    """Parse uploads of forms with unchanged file names."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.parse_file_upload = partial(_read_form, request)  # type: ignore[method-assign]
        return self.get_response(request)


def _read_form(request: HttpRequest, meta: Any, stream: Any) -> Any:
    from storage.multipart import read_form  # here: logging imports this module before the apps are loaded

    return read_form(request, meta, stream)


def _address(request: HttpRequest) -> str:
    """Return the caller's address, as far as trusted proxies report it."""
    from allauth.core.internal.httpkit import (
        get_client_ip,
    )  # here: logging imports this module before the apps are loaded

    try:
        return str(get_client_ip(request) or "")[:45]
    except ImproperlyConfigured:  # the request did not pass through the configured proxies
        return str(request.META.get("REMOTE_ADDR", ""))


class RequestIdFilter(logging.Filter):
    """Log filter that adds the request id to every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs refusals and crashes after the middleware has returned, with the request attached.
        of_request = getattr(getattr(record, "request", None), "request_id", "-")
        record.request_id = current_request_id.get(of_request)
        return True
