"""Sign-in views that replace allauth's."""

from __future__ import annotations

from typing import Any

from allauth.account.views import PasswordResetFromKeyView
from django.http import HttpResponse


class ResetFromLink(PasswordResetFromKeyView):  # type: ignore[misc]
    """Page behind a reset link. A used or forged link answers 400, so that clients without a screen notice too."""

    def render_to_response(self, context: dict[str, Any], **more: Any) -> HttpResponse:
        status = 400 if context.get("token_fail") else 200
        response: HttpResponse = super().render_to_response(context, status=status, **more)
        return response
