"""Error responses: problem+json for the API, a fragment for htmx, a page for browsers."""

from __future__ import annotations

import json
import logging
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import resolve_url
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework import exceptions as drf

from accounts.errors import DISK_FULL, AppError, FieldError, Forbidden, NotFound, Unavailable, is_disk_full
from accounts.rest.authentication import BEARER
from accounts.rest.errors import TooLarge
from accounts.tenancy import enter_team
from accounts.tracing import current_request_id
from config.redirects import SAFE_METHODS

log = logging.getLogger(__name__)
PROBLEM = "application/problem+json"
TITLES: dict[type[Exception], str] = {
    drf.AuthenticationFailed: "The key or session is not valid",
    drf.NotAuthenticated: "Sign in or send a key",
    drf.MethodNotAllowed: "There is no such method here",
    drf.NotAcceptable: "Only JSON can be sent back",
    drf.ParseError: "The body cannot be read",
    drf.UnsupportedMediaType: "The body has a type that is not read here",
    drf.Throttled: "Too many calls",
}
DATABASE_AWAY = (OperationalError, InterfaceError)
REPORTED = (AppError, OSError, *DATABASE_AWAY)
"""Exceptions that are reported with their own text; any other is a bug."""
FOR_OPERATORS = "Only operators of this installation may do this."


def problem(error: AppError, *, status: int | None = None) -> dict[str, Any]:
    """Return the RFC 9457 document of an error."""
    return {
        "type": f"/docs/errors/#{error.code}",
        "title": error.title,
        "status": status or error.status,
        "detail": error.detail,
        "code": error.code,
        "request_id": current_request_id.get(),
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in error.fields],
        **error.extra,
    }


def _problem_response(error: AppError) -> HttpResponse:
    response = HttpResponse(json.dumps(problem(error)), status=error.status, content_type=PROBLEM)
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response["WWW-Authenticate"] = BEARER
    return response


def is_api(request: HttpRequest) -> bool:
    return request.path.startswith("/api/")


def error_response(request: HttpRequest, error: AppError) -> HttpResponse:
    """Return the error in the format of this client: problem+json or HTML."""
    if is_api(request):
        return _problem_response(error)
    response = HttpResponse(_error_page(request, error), status=error.status)
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response["WWW-Authenticate"] = BEARER
    return response


def _error_page(request: HttpRequest, error: AppError) -> str:
    template = "errors/_error.html" if request.headers.get("HX-Request") else "errors/error.html"
    in_team = getattr(request, "team", None) is not None and error.status < 500
    layout = "layouts/app.html" if in_team else "layouts/bare.html"
    context = {"error": error, "request_id": current_request_id.get(), "layout": layout}
    context["csp_nonce"] = getattr(request, "csp_nonce", "")
    try:
        # The failing part must not break the error page as well: from 500 on the page looks nothing up.
        return render_to_string(template, context, request if error.status < 500 else None)
    except Exception:
        log.exception("The error page cannot be shown.")
        return format_html("<h1>{}</h1><p>{}</p><p>{}</p>", error.title, error.detail, context["request_id"])


class SignInFirst(AppError):
    """A form was submitted after the session had ended."""

    status = 401
    code = "not_authenticated"
    title = "You are signed out"


class AppErrorMiddleware:
    """Turn an AppError of a view into its response, and Django's empty 405 into a page.

    A redirect to the sign-in page that would lose a submitted form becomes a 401.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if isinstance(response, HttpResponseNotAllowed):
            return _not_allowed(request, response["Allow"])
        if _drops_a_form(request, response):
            is_known = request.user.is_authenticated  # somebody who is not an operator, on an admin page
            return error_response(request, Forbidden(FOR_OPERATORS) if is_known else _sign_in_first(request))
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        error = as_app_error(exception) if isinstance(exception, REPORTED) else None
        return error_response(request, error) if error else None


def _drops_a_form(request: HttpRequest, response: HttpResponse) -> bool:
    """Return True if an unsafe request is redirected to the sign-in page.

    After signing in, the browser would repeat it as a GET without its body.
    """
    if response.status_code != 302 or request.method in SAFE_METHODS:
        return False
    target = urlsplit(response["Location"])
    sign_in = (resolve_url(settings.LOGIN_URL), resolve_url("admin:login"))
    return target.path in sign_in and request.path not in sign_in and REDIRECT_FIELD_NAME in parse_qs(target.query)


def _sign_in_first(request: HttpRequest) -> SignInFirst:
    """Return a 401 that leads back to the page with the form, not to the form's action."""
    came_from = request.headers.get("Referer", "")
    is_ours = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, require_https=request.is_secure())
    back = urlsplit(came_from)._replace(scheme="", netloc="", fragment="").geturl() if is_ours else ""
    sign_in = resolve_url(settings.LOGIN_URL) + (f"?{urlencode({REDIRECT_FIELD_NAME: back})}" if back else "")
    return SignInFirst(
        "Nothing of this was kept. Sign in in another tab, then go back to what you typed and send it again.",
        extra={"sign_in_url": sign_in},
    )


# ---- Django REST framework


class _Wrapped(AppError):
    """A framework's exception as an AppError."""

    def __init__(
        self,
        *,
        status: int,
        code: str,
        title: str,
        detail: str,
        fields: Sequence[FieldError] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(detail, fields=fields, retry_after_s=retry_after_s)
        self.status, self.code, self.title = status, code, title  # type: ignore[misc]


def _field_errors(detail: Any, where: str = "") -> list[FieldError]:
    """Flatten DRF's nested errors into a list with paths such as `limits.max_turns` and `tools[0].policy`."""
    if isinstance(detail, dict):
        return [e for key, value in detail.items() for e in _field_errors(value, _inside(where, key))]
    if isinstance(detail, list) and not all(isinstance(item, str) for item in detail):
        return [e for index, item in enumerate(detail) for e in _field_errors(item, _inside(where, index))]
    items = detail if isinstance(detail, list) else [detail]
    return [FieldError(where or "body", str(getattr(item, "code", "invalid")), str(item)) for item in items]


def _inside(where: str, key: str | int) -> str:
    if isinstance(key, int):
        return f"{where}[{key}]"
    if key == "non_field_errors":
        return where
    return f"{where}.{key}" if where else key


def as_app_error(exc: Exception) -> AppError | None:
    """Convert a framework's exception to an AppError; return None for a bug."""
    if isinstance(exc, AppError):
        return exc
    if isinstance(exc, Http404):
        return NotFound("This doesn’t exist, or you don’t have access to it.")
    if isinstance(exc, PermissionDenied):
        return Forbidden("You don’t have permission to do this.")
    if isinstance(exc, DATABASE_AWAY):
        log.warning("The database does not answer: %s", exc)
        return Unavailable("The database does not answer. Try again in a few seconds.", retry_after_s=5)
    if is_disk_full(exc):
        log.error("The disk is full: %s", exc)
        return Unavailable(DISK_FULL, retry_after_s=60)
    if isinstance(exc, drf.ValidationError):
        fields = _field_errors(exc.detail)
        return _Wrapped(
            status=422,
            code="invalid_input",
            title="Some of the input does not fit",
            detail=" ".join(f"{e.field}: {e.message}" for e in fields[:3]) or "The input does not fit.",
            fields=fields,
        )
    if isinstance(exc, RequestDataTooBig):
        return TooLarge("The body is too large for this address; upload large things as files.")
    if isinstance(exc, drf.APIException):
        code = str(getattr(exc.detail, "code", exc.default_code))
        title = TITLES.get(type(exc), "The request cannot be carried out")
        return _Wrapped(status=exc.status_code, code=code, title=title, detail=str(exc.detail))
    return None


def api_exception_handler(exc: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Handle exceptions of API views (DRF's EXCEPTION_HANDLER)."""
    error = as_app_error(exc)
    if error is None:
        return None
    response = _problem_response(error)
    wait = getattr(exc, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(math.ceil(wait))
    return response


# ---- Django's own handlers


def _page(request: HttpRequest, *, status: int, code: str, title: str, detail: str) -> HttpResponse:
    return error_response(request, _Wrapped(status=status, code=code, title=title, detail=detail))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    if isinstance(exception, RequestDataTooBig) and (known := as_app_error(exception)):
        return error_response(request, known)
    return _page(request, status=400, code="bad_request", title="Bad request", detail="The request could not be read.")


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return error_response(request, Forbidden("You don’t have permission to do this."))


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Show the 404 page, with the team's sidebar for a member on an unknown address of the team."""
    _, prefix, slug, *_ = [*request.path.split("/"), "", ""]
    if prefix == "t" and slug and hasattr(request, "user"):
        enter_team(request, slug)
    return error_response(request, NotFound("This doesn’t exist, or you don’t have access to it."))


def _not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    detail = f"This address does not take {request.method}, only {allowed}."
    response = _page(request, status=405, code="method_not_allowed", title=TITLES[drf.MethodNotAllowed], detail=detail)
    response["Allow"] = allowed
    return response


def too_many(request: HttpRequest) -> HttpResponse:
    """Return allauth's response to too many attempts."""
    error = _Wrapped(
        status=429, code="throttled", title="Too many tries", detail="Wait a minute, then try again.", retry_after_s=60
    )
    return error_response(request, error)


def server_error(request: HttpRequest) -> HttpResponse:
    """Return the response to an unhandled exception, also one raised in a middleware."""
    known = as_app_error(exception) if isinstance(exception := sys.exc_info()[1], REPORTED) else None
    if known:
        return error_response(request, known)
    detail = "This is our fault. It is logged under the request id; trying again may help."
    return _page(request, status=500, code="internal", title="Something broke on our side", detail=detail)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    detail = "The form was open for too long or came from another site. Reload the page and send it again."
    return _page(request, status=403, code="csrf_failed", title="The form is out of date", detail=detail)
