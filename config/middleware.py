"""The request id: taken from the caller when it is a sane one, in every answer, log line and problem document."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from accounts.tracing import current_key_label, current_request_id

_SANE = re.compile(r"[A-Za-z0-9._-]{8,64}")


class RequestIdMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _SANE.fullmatch(given) else uuid4().hex
        token, key_token = current_request_id.set(request_id), current_key_label.set("")
        try:
            response = self.get_response(request)
        finally:
            current_request_id.reset(token)
            current_key_label.reset(key_token)
        response["X-Request-Id"] = request_id
        return response


class RequestIdFilter(logging.Filter):
    """Puts the request id into every log record."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current_request_id.get()
        return True
