"""Redirects that keep the method and the body of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.http import escape_leading_slashes

SAFE_METHODS = frozenset({"GET", "HEAD"})


class KeepBodyMiddleware:
    """Answer 308 in place of 301 (to https, to the address with a slash) when the method may have a body.

    Clients follow 301 with GET and without the body, so a POST does nothing and looks like a success. They follow 308
    with the same method and body.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponsePermanentRedirect) and request.method not in SAFE_METHODS:
            response.status_code = HttpResponsePermanentRedirect.status_code_preserve_request
        return response


class SlashMiddleware(CommonMiddleware):
    """Serve an API address with or without its last slash; redirect every other one to the address that has it."""

    def process_request(self, request: HttpRequest) -> Any:
        answer = super().process_request(request)
        if answer is None and request.path_info.startswith("/api/") and self.should_redirect_with_slash(request):
            request.path += "/"
            request.path_info += "/"
        return answer

    def get_full_path_with_slash(self, request: HttpRequest) -> str:
        """As Django's, without its error in DEBUG for methods with a body: they get 308."""
        return escape_leading_slashes(request.get_full_path(force_append_slash=True))
