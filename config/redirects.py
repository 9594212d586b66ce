"""Redirects that keep a request's method and body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.middleware.common import CommonMiddleware
from django.utils.http import escape_leading_slashes

SAFE_METHODS = frozenset({"GET", "HEAD"})


class KeepBodyMiddleware:
    """Replace 301 (to https, to the address with a slash) by 308 for methods that may have a body.

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
    """Serve API addresses with or without the trailing slash; redirect other ones to the address with it."""

    def process_request(self, request: HttpRequest) -> Any:
        answer = super().process_request(request)
        if answer is None and request.path_info.startswith("/api/") and self.should_redirect_with_slash(request):
            request.path += "/"
            request.path_info += "/"
        return answer

    def get_full_path_with_slash(self, request: HttpRequest) -> str:
        """Return the address with a slash, without Django's error in DEBUG for methods with a body: they get 308."""
        return escape_leading_slashes(request.get_full_path(force_append_slash=True))
