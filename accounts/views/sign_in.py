"""Signing in, where allauth's own views do not do."""

from __future__ import annotations

from typing import Any

from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpResponse


class ResetFromLink(PasswordResetFromKeyView):  # type: ignore[misc]
    """The page behind a reset link. A link that is used up or made up is an error, also for who cannot see the page."""

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        status = 400 if context.get("token_fail") else 200
        response: HttpResponse = super().render_to_response(context, status=status, **more)
        return response
