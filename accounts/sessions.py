"""Middleware that records where and when each session was last used. People see it in their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

SEEN_EVERY_S = 60
"""Least seconds between two updates of a session."""


class SessionSeenMiddleware:
    """Middleware that records each session at most once in SEEN_EVERY_S seconds."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Requests that read no session cost nothing here, and failed ones are not recorded.
        session: Any = request.session
        has_session = session.accessed and session.session_key and response.status_code < 500
        if has_session and request.user.is_authenticated and cache.add(f"seen:{session.session_key}", 1, SEEN_EVERY_S):
            UserSession.objects.create_from_request(request)
        return response
