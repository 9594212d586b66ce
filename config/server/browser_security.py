"""Security headers: browsers may do nothing except what our own pages need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from csp.constants import NONCE, NONE, SELF
from django.http import HttpRequest, HttpResponse

UNUSED = ("camera", "display-capture", "geolocation", "microphone", "midi", "payment", "serial", "usb")
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",  # access is checked each time; cacheable responses set their own
}
BARE_POLICY = "default-src 'none'; style-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'"
"""Content-Security-Policy of responses sent before Django: no scripts."""


def headers_before_django(*, hsts_s: int, with_subdomains: bool) -> list[tuple[bytes, bytes]]:
    """Return the security headers as ASGI pairs, for responses that never reach Django."""
    found = {**HEADERS, "Content-Security-Policy": BARE_POLICY}
    if hsts_s:
        found["Strict-Transport-Security"] = f"max-age={hsts_s}" + ("; includeSubDomains" if with_subdomains else "")
    return [(name.lower().encode(), value.encode()) for name, value in found.items()]


def content_policy(form_targets: list[str]) -> dict[str, Any]:
    """Return Django's CSP setting. `form_targets` are the sign-in providers' origins."""
    return {
        "DIRECTIVES": {
            "default-src": [NONE],
            "script-src": [NONCE],  # an injected script has no nonce, even one from our own origin
            "style-src": [SELF],
            "img-src": [SELF, "data:"],
            "font-src": [SELF],
            "connect-src": [SELF],
            "manifest-src": [SELF],
            "form-action": [SELF, *form_targets],
            "base-uri": [NONE],
            "object-src": [NONE],
            "frame-ancestors": [NONE],
        }
    }


class BrowserSecurityMiddleware:
    """Set the headers outside of everything that answers by itself: static files, redirects, refusals."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        for name, value in HEADERS.items():
            response.setdefault(name, value)
        if request.path.startswith("/admin/"):  # Django's templates have scripts without a nonce
            response._csp_update = {"script-src": [SELF]}  # type: ignore[attr-defined]
        return response
