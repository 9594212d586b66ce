"""Reference of error codes: every code of a problem document has a row there."""

from __future__ import annotations

from collections.abc import Iterator

from django.test import Client
from rest_framework import exceptions as drf

import config.urls as _every_module
from accounts.errors import AppError
from config.api_docs import errors

ANSWERED_BY_THE_FRAMEWORK = (
    *(drf.ParseError, drf.AuthenticationFailed, drf.NotAuthenticated, drf.PermissionDenied, drf.NotFound),
    *(drf.MethodNotAllowed, drf.NotAcceptable, drf.UnsupportedMediaType, drf.Throttled),
)


def kinds(of: type[AppError] = AppError) -> Iterator[type[AppError]]:
    yield of
    for kind in of.__subclasses__():
        yield from kinds(kind)


def test_every_error_of_the_code_is_explained_with_its_status() -> None:
    assert _every_module
    explained = {(error.code, error.status) for error in errors.ERRORS}
    ours = {(kind.code, kind.status) for kind in kinds() if kind.__name__ != "_Wrapped"}
    theirs = {(kind.default_code, kind.status_code) for kind in ANSWERED_BY_THE_FRAMEWORK}
    from_the_guard = {("request_timeout", 408), ("too_large", 413)}

    assert ours | theirs | from_the_guard <= explained
    assert len({error.code for error in errors.ERRORS}) == len(errors.ERRORS)


def test_a_problem_points_at_a_row_of_the_page() -> None:
    problem = Client().get("/api/v1/runs/").json()
    address, _, anchor = problem["type"].partition("#")

    page = Client().get(address)

    assert (page.status_code, anchor) == (200, "not_authenticated")
    assert f'id="{anchor}"' in page.content.decode()


def test_the_page_shows_code_as_code() -> None:
    page = Client().get("/docs/errors/").content.decode()

    assert "<code>errors</code>" in page
    assert "`" not in page
